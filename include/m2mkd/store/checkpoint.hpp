#pragma once
// Checkpoints of one job: a folder of `step-<10 digits>.h5` files, of which the two newest are
// kept.

#include <optional>
#include <vector>

#include <m2mkd/store/tensor_file.hpp>

namespace m2mkd {

class CheckpointFolder {
 public:
  explicit CheckpointFolder(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// Publishes the state of `step`, then removes all but the two newest, and those of later steps:
  /// they are damaged or belong to a history that was left when an earlier step was restored.
  void save(std::int64_t step, const TensorFile& state) const;
  /// Steps for which a file exists, newest first. Leftover temporary files are ignored.
  std::vector<std::int64_t> steps() const;
  /// The state of `step`; nothing (and a warning with the reason) if the file is damaged or
  /// missing.
  std::optional<TensorFile> load(std::int64_t step) const;
  /// Removes the folder and what is in it.
  void remove() const;
  std::filesystem::path path(std::int64_t step) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace m2mkd
