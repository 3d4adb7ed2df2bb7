#include <m2mkd/base/error.hpp>
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

}  // namespace m2mkd
