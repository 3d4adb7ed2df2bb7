#pragma once
// Which sample stands at which position of which global batch.

#include <cstdint>
#include <string>
#include <vector>

#include <m2mkd/data/options.hpp>

namespace m2mkd {

/// Samples of a global batch: `batch`, or all images of a smaller data set.
std::int64_t samples_per_step(std::int64_t images, std::int64_t batch);
/// Optimizer steps of an epoch over `images` training images: ⌊images / batch⌋, at least 1, the
/// remainder left out; with data.order = published see Sampler. Throws ConfigError where
/// sampling_problem() finds one.
std::int64_t steps_per_epoch(const DataOptions& data, std::int64_t images, std::int64_t batch);
/// Why these settings cannot be sampled or mixed; empty where they can.
std::string sampling_problem(const DataOptions& data, std::int64_t images, std::int64_t batch);

/// What torch.randperm(n, generator=torch.Generator().manual_seed(seed)) gives on a CPU: MT19937,
/// place i exchanged with place i + bits mod (n - i). n < 2^32 / 20 (torch takes more bits beyond).
std::vector<std::int64_t> torch_permutation(std::int64_t n, std::uint32_t seed);

/// One showing of a sample.
struct Showing {
  std::int64_t sample = 0;      ///< of the split
  std::int64_t repetition = 0;  ///< 0, 1, 2: how often it came before in this list (published)
};

/// shuffled: a permutation keyed by (seed, epoch), cut into batches. sequential: file order.
///
/// published (reference/vmoe §4, repeated augmentation), with n images and R = compat.ranks: a
/// permutation drawn from the epoch's number alone, every image three times in a row; virtual rank
/// r takes positions r, r + R, … of that list, ⌊⌊n/256⌋·256/R⌋ in all. The global batch of N
/// samples is R shares of N/R, one rank's after the other's; share r of step s are places [s·N/R,
/// (s+1)·N/R) of rank r's list. (The published code first pads the list to a multiple of R; nobody
/// reads so far.)
class Sampler {
 public:
  Sampler(const DataOptions& data, std::int64_t images, std::int64_t batch, std::uint64_t seed);

  std::int64_t samples_per_step() const { return samples_; }
  std::int64_t steps_per_epoch() const { return steps_; }
  std::int64_t epoch(std::int64_t step) const { return step / steps_; }
  /// The sample at `position` in [0, samples_per_step) of a global step counted from 0.
  /// Neighbouring steps are cheap: an epoch's permutation is kept.
  Showing at(std::int64_t step, std::int64_t position);

 private:
  void enter(std::int64_t epoch);

  Order order_;
  std::int64_t images_, samples_, steps_, ranks_;
  std::uint64_t seed_;
  std::int64_t epoch_ = -1;
  std::vector<std::int64_t> permutation_;  ///< of epoch_
};

}  // namespace m2mkd
