// Source `folder`: DIR/train/CLASS/*.jpg and DIR/val/CLASS/*.jpg (or test), as ImageNet comes. The
// JPEG files are stored as they are.

#include <algorithm>
#include <fstream>
#include <map>
#include <memory>
#include <set>

#include <fmt/ranges.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/data/image.hpp>

#include "source.hpp"

namespace m2mkd::pack {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kNamed = 3;  // files that a message names at most

bool hidden(const fs::path& path) {
  return path.filename().string().starts_with(".");
}

std::string suffix(const fs::path& path) {
  std::string text = path.extension().string();
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::string some_of(const std::vector<std::string>& names) {
  const std::size_t shown = std::min(names.size(), kNamed);
  return fmt::format("{}{}",
                     fmt::join(names.begin(), names.begin() + static_cast<long>(shown), ", "),
                     names.size() > shown ? ", …" : "");
}

/// Entries of a folder, sorted by name, without hidden ones.
std::vector<fs::path> entries(const fs::path& folder, bool folders) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder))
    if (!hidden(entry.path()) && entry.is_directory() == folders) found.push_back(entry.path());
  std::ranges::sort(found);
  return found;
}

/// What lies in the class folders of one split, subfolders included.
struct Listing {
  std::vector<fs::path> jpegs;
  std::vector<std::string> other_images;
  std::int64_t ignored = 0;  ///< files that are no images

  void walk(const fs::path& folder) {
    static const std::set<std::string> jpeg{".jpg", ".jpeg", ".jpe", ".jfif"};
    static const std::set<std::string> other{".png", ".bmp",  ".gif", ".tif", ".tiff",
                                             ".ppm", ".webp", ".pgm", ".jp2", ".heic"};
    for (const auto& path : entries(folder, false)) {
      if (jpeg.contains(suffix(path)))
        jpegs.push_back(path);
      else if (other.contains(suffix(path)))
        other_images.push_back(path.string());
      else
        ++ignored;
    }
    for (const auto& path : entries(folder, true)) walk(path);
  }
};

void read_file(const fs::path& path, std::span<std::byte> out) {
  std::ifstream in(path, std::ios::binary);
  in.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(out.size()));
  if (!in || in.peek() != std::ifstream::traits_type::eof())
    fail("{}: cannot be read, or changed while it was packed", path.string());
}

/// Hands out the files; at the first one that cannot be decoded all later ones are looked at too,
/// so that one run names them all.
class JpegStream {
 public:
  explicit JpegStream(std::shared_ptr<const std::vector<fs::path>> files)
      : files_(std::move(files)) {}

  void operator()(std::span<std::byte> out) {
    const auto& path = (*files_)[next_++];
    read_file(path, out);
    const std::string problem = damage(out);
    if (problem.empty()) return;
    std::vector<std::string> broken{path.string()};
    std::vector<std::byte> bytes;
    for (; next_ < files_->size(); ++next_) {
      bytes.resize(fs::file_size((*files_)[next_]));
      read_file((*files_)[next_], bytes);
      if (!damage(bytes).empty()) broken.push_back((*files_)[next_].string());
    }
    fail("{}: {}; {} file(s) in all cannot be decoded as JPEG: {}: fetch or convert them anew",
         path.string(), problem, broken.size(), some_of(broken));
  }

 private:
  static std::string damage(std::span<const std::byte> bytes) {
    try {
      jpeg_size(bytes);
      return {};
    } catch (const Error& problem) {
      return problem.what();
    }
  }

  std::shared_ptr<const std::vector<fs::path>> files_;
  std::size_t next_ = 0;
};

SplitSource split(const fs::path& folder, const std::vector<std::string>& classes,
                  std::vector<std::string>& notes) {
  SplitSource result;
  result.where = folder.string();
  Listing all;
  for (const auto& class_folder : entries(folder, true)) {
    const std::string name = class_folder.filename().string();
    const auto place = std::ranges::find(classes, name);
    if (place == classes.end())
      fail("{}: no such class: it is not among the {} classes of {}", class_folder.string(),
           classes.size(), "the list (--classes, else the folders of train)");
    all.walk(class_folder);
    result.labels.resize(all.jpegs.size(), place - classes.begin());
  }
  if (!all.other_images.empty())
    fail(
        "{}: {} images are not JPEG: {}: convert them to .jpg (pixels of other files can be packed "
        "by source npy)",
        folder.string(), all.other_images.size(), some_of(all.other_images));
  if (all.ignored > 0)
    notes.push_back(
        fmt::format("{}: {} files that are no images were left out", folder.string(), all.ignored));
  for (const auto& path : all.jpegs)
    result.sizes.push_back(static_cast<std::int64_t>(fs::file_size(path)));
  auto& info = result.info;
  info.form = ImageForm::encoded;
  info.count = std::ssize(all.jpegs);
  info.channels = 3;
  for (const auto size : result.sizes) info.bytes += size;
  const auto files = std::make_shared<const std::vector<fs::path>>(std::move(all.jpegs));
  result.open = [files]() -> ImageStream { return JpegStream(files); };
  return result;
}

}  // namespace

Source folder(const Flags& flags) {
  const fs::path root = flags.at("source-dir");
  const fs::path train = root / "train";
  const fs::path test = fs::is_directory(root / "val") ? root / "val" : root / "test";
  for (const auto& path : {train, test})
    if (!fs::is_directory(path))
      fail("{}: no such folder: source folder needs train/CLASS/*.jpg, and val or test likewise",
           path.string());
  Source source;
  source.name = flag(flags, "name", fs::absolute(root).lexically_normal().filename().string());
  if (flags.contains("classes"))
    source.classes = read_classes(flags.at("classes"));
  else
    for (const auto& path : entries(train, true))
      source.classes.push_back(path.filename().string());
  source.train = split(train, source.classes, source.notes);
  source.test = split(test, source.classes, source.notes);
  auto& info = source.train.info;
  take_mean_and_std(flags, info);
  if (info.mean.empty()) {  // ImageNet's, by convention
    info.mean = {0.485, 0.456, 0.406};
    info.std = {0.229, 0.224, 0.225};
  }
  return source;
}

}  // namespace m2mkd::pack
