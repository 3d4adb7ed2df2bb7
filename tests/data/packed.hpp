#pragma once
// Small packed data sets for tests, in a folder that goes away.

#include <functional>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <m2mkd/base/random.hpp>
#include <m2mkd/data/loader.hpp>

namespace m2mkd::test {

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "m2mkd_data_XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline ImageFileInfo header(std::int64_t count, std::int64_t channels = 1, std::int64_t size = 6,
                            std::int64_t classes = 4) {
  ImageFileInfo info;
  info.name = "test";
  info.split = "train";
  info.count = count;
  info.channels = channels;
  info.height = info.width = size;
  for (std::int64_t c = 0; c < channels; ++c) {
    info.mean.push_back(0.25 + 0.1 * static_cast<double>(c));
    info.std.push_back(0.5 - 0.1 * static_cast<double>(c));
  }
  for (std::int64_t c = 0; c < classes; ++c) info.classes.push_back("c" + std::to_string(c));
  return info;
}

/// Pixel (y, x, c) of image i: pseudo-random, never 0, so that padding is told apart.
inline std::uint8_t pixel(std::int64_t i, std::int64_t k) {
  return static_cast<std::uint8_t>(1 + mix64(static_cast<std::uint64_t>(i * 100003 + k)) % 255);
}
inline float element(std::int64_t i, std::int64_t k) {
  return static_cast<float>(
      Random(7, Purpose::test, static_cast<std::uint64_t>(i), static_cast<std::uint32_t>(k))
          .normal());
}

/// Writes it with label(i) = i % classes, or what is given.
inline void write(const std::filesystem::path& path, ImageFileInfo info,
                  const std::function<std::int32_t(std::int64_t)>& label = {}) {
  const auto classes = std::max<std::int64_t>(std::ssize(info.classes), 1);
  const auto size = static_cast<std::size_t>(info.channels * info.height * info.width);
  ImageFileWriter writer(path, info);
  std::vector<std::uint8_t> bytes(size);
  std::vector<float> floats(size);
  for (std::int64_t i = 0; i < info.count; ++i) {
    for (std::size_t k = 0; k < size; ++k) {
      bytes[k] = pixel(i, static_cast<std::int64_t>(k));
      if (info.form == ImageForm::tensor) floats[k] = element(i, static_cast<std::int64_t>(k));
    }
    const auto image = info.form == ImageForm::tensor ? std::as_bytes(std::span(floats))
                                                      : std::as_bytes(std::span(bytes));
    writer.add(image, label ? label(i) : static_cast<std::int32_t>(i % classes));
  }
  writer.finish();
}

/// Any number of encoded images.
inline void write_encoded(const std::filesystem::path& path, ImageFileInfo info,
                          const std::vector<std::vector<std::byte>>& files) {
  info.form = ImageForm::encoded;
  info.count = std::ssize(files);
  info.height = info.width = 0;
  for (const auto& file : files) info.bytes += std::ssize(file);
  ImageFileWriter writer(path, info);
  for (std::int32_t label = 0; const auto& file : files)
    writer.add(file, label++ % static_cast<std::int32_t>(info.classes.size()));
  writer.finish();
}

/// A data set of `count` images as data.train and data.test.
class Packed {
 public:
  explicit Packed(const ImageFileInfo& info) {
    options.train = options.test = folder_.path() / "train.h5";
    write(options.train, info);
  }
  Dataset open(Split split = Split::train) const { return Dataset(options, split); }
  DataOptions options;

 private:
  Folder folder_;
};

/// All of a loader's batches of one step, concatenated.
inline Batch whole_step(TrainLoader& loader) {
  std::vector<at::Tensor> images, labels, targets;
  Batch result;
  for (std::int64_t k = 0; k < loader.batches_per_step(); ++k) {
    Batch batch = loader.next();
    if (k == 0) result.first = batch.first;
    images.push_back(batch.images);
    labels.push_back(batch.labels);
    if (batch.targets.defined()) targets.push_back(batch.targets);
  }
  if (images.empty()) return result;
  result.images = at::cat(images);
  result.labels = at::cat(labels);
  if (!targets.empty()) result.targets = at::cat(targets);
  return result;
}

inline LoaderOptions loader_options(std::int64_t batch, std::int64_t micro_batch) {
  LoaderOptions options;
  options.seed = 3;
  options.batch = batch;
  options.micro_batch = micro_batch;
  return options;
}

/// The batch of `step` as several ranks see it together.
inline Batch across_ranks(const Packed& packed, LoaderOptions options, int ranks,
                          std::int64_t step) {
  std::vector<at::Tensor> images, labels, targets;
  Batch result;
  std::int64_t expected_first = 0;
  for (int rank = 0; rank < ranks; ++rank) {
    options.rank = rank;
    options.ranks = ranks;
    TrainLoader loader(packed.open(), packed.options, options);
    loader.start(step);
    if (loader.batches_per_step() == 0) continue;
    const Batch part = whole_step(loader);
    EXPECT_EQ(part.first, expected_first);
    expected_first += part.images.size(0);
    images.push_back(part.images);
    labels.push_back(part.labels);
    if (part.targets.defined()) targets.push_back(part.targets);
  }
  result.images = at::cat(images);
  result.labels = at::cat(labels);
  if (!targets.empty()) result.targets = at::cat(targets);
  return result;
}

inline bool same(const Batch& a, const Batch& b) {
  return at::equal(a.images, b.images) && at::equal(a.labels, b.labels) &&
         a.targets.defined() == b.targets.defined() &&
         (!a.targets.defined() || at::equal(a.targets, b.targets));
}

}  // namespace m2mkd::test
