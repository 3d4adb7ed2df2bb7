// IDX: big-endian header {0, 0, type, dimensions, size of each}, then the data. The format of MNIST
// and its relatives.

#include <array>
#include <memory>

#include <m2mkd/base/error.hpp>

#include "gz_file.hpp"
#include "source.hpp"

namespace m2mkd::pack {

namespace {

using Path = std::filesystem::path;

std::vector<std::int64_t> read_header(GzFile& file, const Path& path) {
  std::array<std::byte, 4> word;
  file.read(word);
  constexpr int unsigned_byte = 8;
  const int type = std::to_integer<int>(word[2]);
  if (word[0] != std::byte{0} || word[1] != std::byte{0})
    fail("{}: not an IDX file (it must begin with two zero bytes)", path.string());
  if (type != unsigned_byte)
    fail("{}: IDX element type 0x{:02x}; only unsigned bytes (0x08) can be packed", path.string(),
         type);
  std::vector<std::int64_t> shape(std::to_integer<std::size_t>(word[3]));
  for (auto& size : shape) {
    file.read(word);
    size = 0;
    for (const std::byte b : word) size = size << 8 | std::to_integer<std::int64_t>(b);
  }
  return shape;
}

SplitSource split(const Path& images, const Path& labels) {
  SplitSource result;
  result.where = images.string() + ", " + labels.string();

  GzFile label_file(labels);
  const auto label_shape = read_header(label_file, labels);
  if (label_shape.size() != 1)
    fail("{}: labels must have one dimension, not {}", labels.string(), label_shape.size());
  std::vector<std::byte> bytes(static_cast<std::size_t>(label_shape[0]));
  label_file.read(bytes);
  label_file.expect_end();
  for (const std::byte b : bytes) result.labels.push_back(std::to_integer<std::int64_t>(b));

  GzFile image_file(images);
  const auto shape = read_header(image_file, images);
  if (shape.size() != 3 && shape.size() != 4)
    fail("{}: images must be (N, H, W) or (N, H, W, C), not of {} dimensions", images.string(),
         shape.size());
  auto& info = result.info;
  info.count = shape[0];
  info.height = shape[1];
  info.width = shape[2];
  info.channels = shape.size() == 4 ? shape[3] : 1;
  result.open = [images, count = info.count]() -> ImageStream {
    auto file = std::make_shared<GzFile>(images);
    read_header(*file, images);
    return [file, left = count](std::span<std::byte> out) mutable {
      file->read(out);
      if (--left == 0) file->expect_end();
    };
  };
  return result;
}

}  // namespace

Source idx(const Flags& flags) {
  Source source;
  source.name = flag(flags, "name", "idx");
  if (flags.contains("classes-file")) source.classes = read_classes(flags.at("classes-file"));
  source.train = split(flags.at("train-images"), flags.at("train-labels"));
  source.test = split(flags.at("test-images"), flags.at("test-labels"));
  return source;
}

Source fashion_mnist(const Flags& flags) {
  const Path folder = flag(flags, "source-dir", "/usr/share/datasets/fashion-mnist");
  const auto file = [&](const char* name) {
    const Path path = folder / name;
    if (!std::filesystem::exists(path))
      fail(
          "{}: no such file: install it (Debian: apt-get install dataset-fashion-mnist) or give "
          "--source-dir",
          path.string());
    return path;
  };
  Source source;
  source.name = "fashion-mnist";
  source.classes = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                    "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
  source.train = split(file("train-images-idx3-ubyte.gz"), file("train-labels-idx1-ubyte.gz"));
  source.test = split(file("t10k-images-idx3-ubyte.gz"), file("t10k-labels-idx1-ubyte.gz"));
  return source;
}

}  // namespace m2mkd::pack
