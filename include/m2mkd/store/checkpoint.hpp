#pragma once
// Checkpoints of one job: a folder of `step-<10 digits>.h5` files, of which the two newest are
// kept.

#include <vector>

#include <m2mkd/store/tensor_file.hpp>

namespace m2mkd {

class CheckpointFolder {
 public:
  explicit CheckpointFolder(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// Writes the state of `step`, then removes all but the two newest up to it. Later steps stay:
  /// nobody has shown that they are of no use.
  void save(std::int64_t step, const TensorFile& state) const;
  /// Steps for which a file exists, newest first. Leftover temporary files are ignored.
  std::vector<std::int64_t> steps() const;
  /// The state of `step`. Throws Error with the reason where the file is damaged, missing, or holds
  /// values that are not finite.
  TensorFile load(std::int64_t step) const;
  /// Renames the file of `step`, which cannot be used, so that it is no checkpoint any more and its
  /// bytes stay until the folder goes.
  void set_aside(std::int64_t step) const;
  /// Removes all of these, what killed writers left, and the folder if nothing else is in it.
  void remove() const;
  void clear_leftovers() const;
  std::filesystem::path path(std::int64_t step) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace m2mkd
