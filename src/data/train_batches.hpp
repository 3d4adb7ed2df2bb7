#pragma once
// The endless sequence of one rank's training batches, made one after another by the loader's
// thread.

#include <m2mkd/data/loader.hpp>
#include <m2mkd/data/sampler.hpp>

#include "sample_reader.hpp"

namespace m2mkd {

class TrainBatches {
 public:
  TrainBatches(Dataset dataset, const DataOptions& data, const LoaderOptions& options);

  std::int64_t samples_per_step() const { return sampler_.samples_per_step(); }
  std::int64_t steps_per_epoch() const { return sampler_.steps_per_epoch(); }
  std::int64_t batches_per_step() const;

  /// The next batch made is the first of `step`.
  void seek(std::int64_t step);
  Batch make();

 private:
  std::int64_t label(std::int64_t position);
  void read(std::int64_t position, const at::Tensor& images, std::int64_t row);
  void mix(Batch& batch);

  DataOptions data_;
  LoaderOptions options_;
  SampleReader reader_;
  Sampler sampler_;
  Range mine_;              ///< this rank's micro-batches
  std::int64_t together_;   ///< micro-batches per batch
  std::int64_t mix_group_;  ///< samples that share one draw of mixing
  at::Tensor partner_;      ///< (1, C, H, W): an image of another batch to mix with
  std::int64_t step_ = 0, micro_ = 0;
};

}  // namespace m2mkd
