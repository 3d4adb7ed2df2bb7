#pragma once
// Batches for one rank, prepared ahead by one thread: read, augment, normalise, mix. The thread
// never calls MPI or HDF5.
//
// The global batch is a fixed list of micro-batches; a rank gets a contiguous share of them, and
// may take several in one tensor. Everything random is keyed by (seed, epoch or step, sample or
// micro-batch), never by rank. Order of things: decode, crop and augment the bytes
// (transforms.hpp), normalise, erase, mix.

#include <cstdint>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include <m2mkd/data/dataset.hpp>

namespace m2mkd {

/// Tensors of one forward.
struct Batch {
  at::Tensor images;   ///< (B, C, H, W), dtype asked for, normalised
  at::Tensor labels;   ///< (B) int64; of the unmixed first image
  at::Tensor targets;  ///< (B, classes) soft targets, defined only with mixup, cutmix or smoothing
  std::int64_t first = 0;  ///< position of the first sample in the global batch (training) or in
                           ///< the split (evaluation)
};

struct LoaderOptions {
  std::uint64_t seed = 0;
  std::int64_t batch = 64;        ///< global batch: samples per optimizer step
  std::int64_t micro_batch = 16;  ///< samples per micro-batch; the last of a batch may be smaller
  std::int64_t forward_micro_batches =
      0;                    ///< micro-batches put into one tensor (0: all of the rank's share)
  int rank = 0, ranks = 1;  ///< this rank's place in its group
  at::ScalarType dtype = at::kFloat;
};

/// The half-open range of micro-batches [first, last) that `rank` of `ranks` processes, out of
/// `count`: shares differ by one at most.
struct Range {
  std::int64_t first = 0, last = 0;
};
Range share(std::int64_t count, int rank, int ranks);

/// Training batches in the order of the Sampler (sampler.hpp). A data set smaller than the batch
/// gives one smaller batch. Throws ConfigError where sampling_problem() finds one.
class TrainLoader {
 public:
  TrainLoader(Dataset dataset, const DataOptions& data, const LoaderOptions& options);
  ~TrainLoader();

  std::int64_t steps_per_epoch() const;
  /// Samples of each global batch.
  std::int64_t samples_per_step() const;
  /// Begins (or begins anew) at a global step counted from 0.
  void start(std::int64_t step);
  /// This rank's next batch of `step`'s list; blocks until it is ready. A rank without
  /// micro-batches gets none: ask `batches_per_step`.
  Batch next();
  /// Batches (forwards) that this rank gets per step; 0 when there are fewer micro-batches than
  /// ranks and it has none.
  std::int64_t batches_per_step() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Evaluation batches: the split in file order, sharded contiguously over the ranks, no
/// augmentation. With `limit` >= 0 only its first `limit` images.
class EvalLoader {
 public:
  EvalLoader(Dataset dataset, const DataOptions& data, std::int64_t batch, int rank, int ranks,
             at::ScalarType dtype, std::int64_t limit = -1);
  ~EvalLoader();
  /// False at the end.
  bool next(Batch& batch);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace m2mkd
