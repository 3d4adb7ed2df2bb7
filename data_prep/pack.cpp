#include "pack.hpp"

#include <algorithm>

#include <m2mkd/base/error.hpp>

namespace m2mkd::pack {

namespace {

using Path = std::filesystem::path;

/// Bytes of image `i` of a source.
std::size_t image_bytes(const SplitSource& split, std::size_t i) {
  const auto& info = split.info;
  if (!split.sizes.empty()) return static_cast<std::size_t>(split.sizes[i]);
  const std::int64_t item = info.form == ImageForm::tensor ? 4 : 1;
  return static_cast<std::size_t>(item * info.channels * info.height * info.width);
}

// Compared by content, image by image: as cheap as reading the source, and right whatever happened
// to times and names.
bool holds(const Path& path, const SplitSource& split) {
  if (!std::filesystem::exists(path)) return false;
  try {
    const ImageFile file(path);
    const auto &a = file.info(), &b = split.info;
    if (a.name != b.name || a.split != b.split || a.classes != b.classes || a.count != b.count ||
        a.channels != b.channels || a.height != b.height || a.width != b.width ||
        a.form != b.form || (!b.mean.empty() && (a.mean != b.mean || a.std != b.std)) ||
        !std::equal(split.labels.begin(), split.labels.end(), file.labels().begin(),
                    file.labels().end()))
      return false;
    std::vector<std::byte> packed, wanted;
    const auto next = split.open();
    for (std::int64_t i = 0; i < a.count; ++i) {
      wanted.resize(image_bytes(split, static_cast<std::size_t>(i)));
      if (static_cast<std::size_t>(file.image_bytes(i)) != wanted.size()) return false;
      packed.resize(wanted.size());
      next(wanted);
      file.read(i, packed);
      if (packed != wanted) return false;
    }
    return true;
  } catch (const Error&) {
    return false;  // a damaged output is written anew; a damaged source says so then
  }
}

void write(const Path& path, const SplitSource& split) {
  ImageFileWriter writer(path, split.info);
  std::vector<std::byte> image;
  const auto next = split.open();
  for (std::size_t i = 0; i < split.labels.size(); ++i) {
    image.resize(image_bytes(split, i));
    next(image);
    writer.add(image, static_cast<std::int32_t>(split.labels[i]));
  }
  writer.finish();
}

Outcome pack_split(const SplitSource& split, const Path& path, bool force) {
  Outcome outcome{path, {}, force || !holds(path, split)};
  if (outcome.written) write(path, split);
  outcome.info = ImageFile(path).info();
  return outcome;
}

std::string list(const std::vector<double>& values) {
  std::string text;
  for (const double v : values) text += fmt::format("{}{:.4f}", text.empty() ? "" : " ", v);
  return text;
}

}  // namespace

std::vector<Outcome> pack(const Source& source, const Path& folder, bool force) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) fail("--out {}: cannot be created: {}", folder.string(), error.message());
  const Outcome train = pack_split(source.train, folder / "train.h5", force);
  SplitSource test = source.test;
  test.info.mean = train.info.mean;
  test.info.std = train.info.std;
  return {train, pack_split(test, folder / "test.h5", force)};
}

std::string summary(const Outcome& outcome) {
  const auto& info = outcome.info;
  const std::string images = info.form == ImageForm::encoded
                                 ? fmt::format("{} JPEG images ({:.1f} MB)", info.count,
                                               static_cast<double>(info.bytes) * 1e-6)
                                 : fmt::format("{} images of {} x {} x {}", info.count, info.height,
                                               info.width, info.channels);
  return fmt::format("{}: {}, {} classes, mean {}, std {}, digest {}, {}", outcome.path.string(),
                     images, info.classes.size(), list(info.mean), list(info.std), info.digest,
                     outcome.written ? "written" : "already there, left as it is");
}

}  // namespace m2mkd::pack
