#include <m2mkd/base/error.hpp>
#include <m2mkd/base/log.hpp>
#include <m2mkd/base/stopwatch.hpp>
#include <m2mkd/data/dataset.hpp>

#include "file_check.hpp"

namespace m2mkd {

Dataset::Dataset(const DataOptions& options, Split split) {
  const bool test = split == Split::test;
  const auto& path = test ? options.test : options.train;
  const std::string key = test ? "data.test" : "data.train";
  if (path.empty()) fail("{} is not set: give a file made by m2mkd-pack", key);
  if (!std::filesystem::exists(path))
    fail("{} = {}: no such file; {}", key, path.string(), pack_hint(path));
  file_ = std::make_shared<const ImageFile>(path);
  const auto problems =
      contradictions(file_->info(), options, key, test ? options.test_count : options.count);
  if (!problems.empty()) throw ConfigError(problems);
  const bool of_training = test && options.mean.empty() && std::filesystem::exists(options.train);
  const ImageFileInfo source = of_training ? ImageFile(options.train).info() : file_->info();
  mean_ = pixel_mean(source, options);
  std_ = pixel_std(source, options);
  indices_ = split_indices(file_->labels(), test ? 0 : options.validation_images,
                           test ? 0 : options.train_images, split);
}

void require_verified(const DataOptions& options) {
  for (const auto& path : {options.train, options.test}) {
    if (path.empty() || ImageFile(path).verifies_reads()) continue;
    const Stopwatch watch;
    if (const auto damages = verify_image_file(path); !damages.empty())
      fail("{}: {}: pack it again", path.string(), damages.front());
    log::info(
        "{}: packed by an earlier version, so all of it was read and compared now ({:.1f} s); "
        "packed "
        "again, images are verified as they are read",
        path.string(), watch.seconds());
  }
}

void Dataset::expect(const std::string& digest) const {
  const auto& info = file_->info();
  if (info.digest != digest)
    fail(
        "data set {} ({}) was exchanged since this started: its digest is {}, it was {}. Start "
        "again",
        info.name, info.split, info.digest, digest);
}

}  // namespace m2mkd
