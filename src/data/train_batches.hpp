#pragma once
// The endless sequence of one rank's training batches, made one after another by the loader's
// thread.

#include <m2mkd/data/loader.hpp>

#include "sample_reader.hpp"

namespace m2mkd {

class TrainBatches {
 public:
  TrainBatches(Dataset dataset, const DataOptions& data, const LoaderOptions& options);

  std::int64_t samples_per_step() const { return samples_; }
  std::int64_t steps_per_epoch() const { return steps_; }
  std::int64_t batches_per_step() const;

  /// The next batch made is the first of `step`.
  void seek(std::int64_t step);
  Batch make();

 private:
  void enter_epoch();
  Placement placement(std::int64_t sample) const;

  DataOptions data_;
  LoaderOptions options_;
  SampleReader reader_;
  std::int64_t samples_, steps_;
  Range mine_;             ///< this rank's micro-batches
  std::int64_t together_;  ///< micro-batches per batch
  std::int64_t step_ = 0, micro_ = 0;
  std::int64_t epoch_ = -1;
  std::vector<std::int64_t> order_;  ///< sample of the split at each place of the epoch
};

}  // namespace m2mkd
