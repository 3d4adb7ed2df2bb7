// Source `folder`: DIR/train/CLASS/*.jpg and DIR/val/CLASS/*.jpg (or test), as ImageNet comes. The
// JPEG files are stored as they are.

#include <algorithm>
#include <fstream>
#include <map>
#include <memory>
#include <set>

#include <fmt/ranges.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/data/decodable.hpp>

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

/// Hands out the files, decoded ahead by many at a time; at the first one that cannot be decoded
/// all later ones are looked at too, so that one run names them all.
class JpegStream {
 public:
  explicit JpegStream(std::shared_ptr<const std::vector<fs::path>> files)
      : files_(std::move(files)) {}

  void operator()(std::span<std::byte> out) {
    if (next_ == ahead_.size()) fill();
    const auto& bytes = ahead_[next_++];
    if (bytes.size() != out.size())
      fail("{}: changed while it was packed", (*files_)[first_ + next_ - 1].string());
    std::ranges::copy(bytes, out.begin());
  }

 private:
  static constexpr std::size_t kAhead = 256;

  // The next files, all of them sound.
  void fill() {
    first_ += ahead_.size();
    next_ = 0;
    auto damaged = look();
    if (damaged.empty()) return;
    while (first_ + ahead_.size() < files_->size()) {
      first_ += ahead_.size();
      for (const auto& more : look()) damaged.push_back(more);
    }
    fail("{} file(s) cannot be decoded as JPEG:{}", damaged.size(), fmt::join(damaged, ""));
  }
  std::vector<std::string> look() {
    ahead_.resize(std::min(kAhead, files_->size() - first_));
    const auto path = [&](std::int64_t i) {
      return (*files_)[first_ + static_cast<std::size_t>(i)];
    };
    std::vector<std::string> lines;
    for (const auto& [image, reason] :
         undecodable(std::ssize(ahead_), [&](std::int64_t i, std::vector<std::byte>&bytes) {
           bytes.resize(fs::file_size(path(i)));
           read_file(path(i), bytes);
           ahead_[static_cast<std::size_t>(i)] = bytes;
         }))
      lines.push_back(fmt::format("\n  {}: {}", path(image).string(), reason));
    return lines;
  }

  std::shared_ptr<const std::vector<fs::path>> files_;
  std::vector<std::vector<std::byte>> ahead_;
  std::size_t first_ = 0, next_ = 0;  ///< ahead_ begins with file `first_`; the next one of it
};

// Labels follow the folders' names as texts, which puts "10" before "2".
void tell_numeric_order(const std::vector<std::string>& classes, std::vector<std::string>& notes) {
  const auto number = [](const std::string& name) {
    return !name.empty() && name.size() < 19 &&
           std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; });
  };
  if (!std::ranges::all_of(classes, number)) return;
  for (std::size_t label = 1; label < classes.size(); ++label)
    if (std::stoll(classes[label]) < std::stoll(classes[label - 1])) {
      notes.push_back(fmt::format(
          "class folders are numbers, and labels follow them as texts: folder '{}' is label {}, "
          "'{}' is label {}. --classes FILE gives another order",
          classes[label - 1], label - 1, classes[label], label));
      return;
    }
}

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
  if (!flags.contains("classes")) tell_numeric_order(source.classes, source.notes);
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
