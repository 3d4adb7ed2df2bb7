// Source `cifar`: the binary versions of CIFAR-10 and CIFAR-100. A record is the label (CIFAR-100:
// the coarse one, then the fine one that is packed) and 32 x 32 pixels as planes of red, green and
// blue.

#include <algorithm>
#include <array>
#include <fstream>
#include <memory>

#include <m2mkd/base/error.hpp>

#include "gz_file.hpp"
#include "source.hpp"

namespace m2mkd::pack {

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kSide = 32, kArea = kSide * kSide, kPixels = 3 * kArea;

/// Reads records one after another, over several files.
class Records {
 public:
  Records(std::vector<fs::path> files, std::int64_t label_bytes)
      : files_(std::move(files)), label_bytes_(label_bytes) {}

  std::int64_t count() const {
    std::int64_t all = 0;
    for (const auto& path : files_) {
      const auto bytes = static_cast<std::int64_t>(fs::file_size(path));
      if (bytes == 0 || bytes % record_bytes() != 0)
        fail("{}: truncated or no CIFAR file: {} bytes are not a multiple of {}", path.string(),
             bytes, record_bytes());
      all += bytes / record_bytes();
    }
    return all;
  }
  /// Fills `pixels` (H, W, C); returns the label.
  std::int64_t next(std::span<std::byte> pixels) {
    if (!open_ || left_ == 0) {
      open_ = std::make_unique<GzFile>(files_[file_]);
      left_ = static_cast<std::int64_t>(fs::file_size(files_[file_++])) / record_bytes();
    }
    --left_;
    std::array<std::byte, 2> labels{};
    open_->read(std::span(labels).first(static_cast<std::size_t>(label_bytes_)));
    std::array<std::byte, kPixels> planes{};
    open_->read(planes);
    for (std::size_t k = 0; k < kArea; ++k)
      for (std::size_t c = 0; c < 3; ++c) pixels[3 * k + c] = planes[c * kArea + k];
    return std::to_integer<std::int64_t>(labels[static_cast<std::size_t>(label_bytes_) - 1]);
  }

 private:
  std::int64_t record_bytes() const { return label_bytes_ + kPixels; }

  std::vector<fs::path> files_;
  std::int64_t label_bytes_;
  std::size_t file_ = 0;   ///< the next to open
  std::int64_t left_ = 0;  ///< records left in the open one
  std::unique_ptr<GzFile> open_;
};

SplitSource split(const std::vector<fs::path>& files, std::int64_t label_bytes) {
  SplitSource result;
  result.where = files.front().string();
  Records records(files, label_bytes);
  auto& info = result.info;
  info.count = records.count();
  info.height = info.width = kSide;
  info.channels = 3;
  std::vector<std::byte> pixels(kPixels);
  for (std::int64_t i = 0; i < info.count; ++i) result.labels.push_back(records.next(pixels));
  result.open = [files, label_bytes]() -> ImageStream {
    auto again = std::make_shared<Records>(files, label_bytes);
    return [again](std::span<std::byte> out) { again->next(out); };
  };
  return result;
}

std::vector<std::string> class_names(const fs::path& file, std::size_t count) {
  std::vector<std::string> names;
  if (fs::exists(file)) names = read_classes(file);
  if (!names.empty() && names.size() != count)
    fail("{}: holds {} names instead of {}", file.string(), names.size(), count);
  for (std::size_t c = names.size(); c < count; ++c) names.push_back(std::to_string(c));
  return names;
}

}  // namespace

Source cifar(const Flags& flags) {
  const fs::path folder = flags.at("source-dir");
  std::vector<fs::path> batches;
  if (fs::is_directory(folder))
    for (const auto& entry : fs::directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("data_batch_") && name.ends_with(".bin"))
        batches.push_back(entry.path());
    }
  std::ranges::sort(batches);
  const bool hundred = fs::exists(folder / "train.bin");
  const fs::path test = folder / (hundred ? "test.bin" : "test_batch.bin");
  if ((!hundred && batches.empty()) || !fs::exists(test))
    fail(
        "{}: holds neither data_batch_*.bin and test_batch.bin (CIFAR-10) nor train.bin and "
        "test.bin (CIFAR-100): unpack the \"binary version\" there",
        folder.string());
  Source source;
  source.name = flag(flags, "name", hundred ? "cifar100" : "cifar10");
  source.classes = hundred ? class_names(folder / "fine_label_names.txt", 100)
                           : class_names(folder / "batches.meta.txt", 10);
  const std::int64_t label_bytes = hundred ? 2 : 1;
  source.train = split(hundred ? std::vector{folder / "train.bin"} : batches, label_bytes);
  source.test = split({test}, label_bytes);
  take_mean_and_std(flags, source.train.info);
  return source;
}

}  // namespace m2mkd::pack
