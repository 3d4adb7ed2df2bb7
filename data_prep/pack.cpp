#include "pack.hpp"

#include <algorithm>

#include <m2mkd/base/error.hpp>

namespace m2mkd::pack {

namespace {

using Path = std::filesystem::path;

// Compared by content, image by image: as cheap as reading the source, and right whatever happened
// to times and names.
bool holds(const Path& path, const SplitSource& split) {
  if (!std::filesystem::exists(path)) return false;
  try {
    const ImageFile file(path);
    const auto &a = file.info(), &b = split.info;
    if (a.name != b.name || a.split != b.split || a.classes != b.classes || a.count != b.count ||
        a.channels != b.channels || a.height != b.height || a.width != b.width ||
        a.is_tensor != b.is_tensor || (!b.mean.empty() && (a.mean != b.mean || a.std != b.std)) ||
        !std::equal(split.labels.begin(), split.labels.end(), file.labels().begin(),
                    file.labels().end()))
      return false;
    const auto size = static_cast<std::size_t>(file.image_bytes());
    std::vector<std::byte> packed(size), wanted(size);
    const auto next = split.open();
    for (std::int64_t i = 0; i < a.count; ++i) {
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
  const auto& info = split.info;
  ImageFileWriter writer(path, info);
  const std::int64_t item = info.is_tensor ? 4 : 1;
  std::vector<std::byte> image(
      static_cast<std::size_t>(item * info.channels * info.height * info.width));
  const auto next = split.open();
  for (const auto label : split.labels) {
    next(image);
    writer.add(image, static_cast<std::int32_t>(label));
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
  return fmt::format("{}: {} images of {} x {} x {}, {} classes, mean {}, std {}, digest {}, {}",
                     outcome.path.string(), info.count, info.height, info.width, info.channels,
                     info.classes.size(), list(info.mean), list(info.std), info.digest,
                     outcome.written ? "written" : "already there, left as it is");
}

}  // namespace m2mkd::pack
