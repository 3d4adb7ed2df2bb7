// Source `npy`: arrays that NumPy saved.

#include <cmath>
#include <cstring>
#include <memory>

#include <m2mkd/base/error.hpp>

#include "npy_file.hpp"
#include "source.hpp"

namespace m2mkd::pack {

namespace {

template <class T>
void append(std::vector<std::int64_t>& labels, NpyFile& file) {
  std::vector<T> values(static_cast<std::size_t>(file.header().shape[0]));
  file.read(std::as_writable_bytes(std::span(values)));
  for (const T v : values) labels.push_back(static_cast<std::int64_t>(v));
}

std::vector<std::int64_t> read_labels(const std::string& path) {
  NpyFile file(path);
  const auto& header = file.header();
  if (header.shape.size() != 1)
    fail("{}: labels must be of shape (N), not {}: save labels.reshape(-1)", path,
         header.shape_text());
  std::vector<std::int64_t> labels;
  const std::string type = header.type();
  if (type == "u1")
    append<std::uint8_t>(labels, file);
  else if (type == "i1")
    append<std::int8_t>(labels, file);
  else if (type == "u2")
    append<std::uint16_t>(labels, file);
  else if (type == "i2")
    append<std::int16_t>(labels, file);
  else if (type == "u4")
    append<std::uint32_t>(labels, file);
  else if (type == "i4")
    append<std::int32_t>(labels, file);
  else if (type == "u8")
    append<std::uint64_t>(labels, file);
  else if (type == "i8")
    append<std::int64_t>(labels, file);
  else
    fail("{}: labels of type {}: save them as integers", path, type);
  return labels;
}

ImageFileInfo shape_of(const std::string& path, const NpyHeader& header) {
  const auto& s = header.shape;
  ImageFileInfo info;
  if (header.type() == "u1" && (s.size() == 3 || s.size() == 4)) {
    info.count = s[0];
    info.height = s[1];
    info.width = s[2];
    info.channels = s.size() == 4 ? s[3] : 1;
    if (info.channels > 4 && info.height <= 4)
      fail("{}: shape {} looks like (N, C, H, W): save images.transpose(0, 2, 3, 1).copy()", path,
           header.shape_text());
  } else if (header.type() == "f4" && s.size() == 4) {
    info.count = s[0];
    info.channels = s[1];
    info.height = s[2];
    info.width = s[3];
    info.form = ImageForm::tensor;
    if (info.width <= 4 && info.channels > 4)
      fail("{}: shape {} looks like (N, H, W, C): save images.transpose(0, 3, 1, 2).copy()", path,
           header.shape_text());
  } else {
    fail(
        "{}: type {} of shape {}: images are uint8 (N, H, W, C) or (N, H, W), or float32 "
        "(N, C, H, W) already normalised",
        path, header.type(), header.shape_text());
  }
  return info;
}

SplitSource split(const std::string& images, const std::string& labels) {
  SplitSource result;
  result.where = images + ", " + labels;
  result.labels = read_labels(labels);
  result.info = shape_of(images, NpyFile(images).header());
  result.open = [images, tensor = result.info.form == ImageForm::tensor]() -> ImageStream {
    auto file = std::make_shared<NpyFile>(images);
    return [file, images, tensor, index = 0](std::span<std::byte> out) mutable {
      file->read(out);
      for (std::size_t k = 0; tensor && k < out.size(); k += sizeof(float)) {
        float value;
        std::memcpy(&value, &out[k], sizeof value);
        if (!std::isfinite(value)) fail("{}: image {} holds {}", images, index, value);
      }
      ++index;
    };
  };
  return result;
}

}  // namespace

Source npy(const Flags& flags) {
  Source source;
  source.name = flag(flags, "name", "npy");
  if (flags.contains("classes-file")) source.classes = read_classes(flags.at("classes-file"));
  source.train = split(flags.at("images"), flags.at("labels"));
  if (flags.contains("test-images") != flags.contains("test-labels"))
    throw ConfigError("--test-images and --test-labels go together: give both or neither");
  if (flags.contains("test-images")) {
    source.test = split(flags.at("test-images"), flags.at("test-labels"));
  } else {
    source.test = source.train;
    source.notes.push_back(
        "test.h5 holds the same images as train.h5, because no --test-images were given");
  }

  auto& info = source.train.info;
  take_mean_and_std(flags, info);
  const bool tensors = info.form == ImageForm::tensor;
  if (tensors && !info.mean.empty())
    throw ConfigError(
        "--mean and --std are for uint8 pixels; float32 images are already normalised");
  if (tensors) {  // the identity, for readers of the file
    const auto channels = static_cast<std::size_t>(info.channels);
    info.mean.assign(channels, 0);
    info.std.assign(channels, 1);
  }
  return source;
}

}  // namespace m2mkd::pack
