#pragma once
// Can a job learn one small batch by heart? The trainer's own step, again and again on the same
// images: the cheapest proof that gradients reach every parameter and that the loss follows them.

#include <limits>
#include <string>
#include <vector>

#include <m2mkd/data/loader.hpp>
#include <m2mkd/train/trainer.hpp>

namespace m2mkd {

struct OverfitOptions {
  std::int64_t steps = 40;                                   ///< at most
  double seconds = std::numeric_limits<double>::infinity();  ///< no further step after so long
  double enough = 0.5;  ///< ends once fallen() is this large (four steps at least)
};

/// Losses are means per sample over the batch.
struct Overfit {
  std::int64_t steps = 0;      ///< updates made
  double first = 0, last = 0;  ///< loss before the first and after the last update; `last` is NaN
                               ///< or infinite where training left the finite numbers
  double floor = 0;  ///< the least that any logits at all could reach: not 0 where the teacher
                     ///< contradicts the labels
  std::vector<std::string> untrained;  ///< parameters that no step gave a gradient
  bool stopped = false;                ///< a stop was requested on some rank; the same on all ranks

  /// Which share of what the loss could fall it has fallen, 1 at most.
  double fallen() const;
};

/// The batches of the first step that this rank's loader gives, without anything random: no
/// augmentation, mixing or smoothing. Shuffled by `seed`.
std::vector<Batch> fixed_step(DataOptions data, const TrainOptions& options, std::uint64_t seed,
                              const Communicator& group);

/// Trains `task` on `batches` (this rank's part of `samples` images) with a constant learning rate
/// of options.schedule.lr. The task's weights change; no file is touched. Collective over
/// context.group.
Overfit overfit(Task task, const std::vector<Batch>& batches, std::int64_t samples,
                const TrainContext& context, const OverfitOptions& options);

}  // namespace m2mkd
