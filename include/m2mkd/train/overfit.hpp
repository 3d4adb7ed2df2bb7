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
};

/// Losses are means per sample over the batch.
struct Overfit {
  std::int64_t steps = 0;      ///< updates made
  double first = 0, last = 0;  ///< loss before the first and after the last update; `last` is NaN
                               ///< or infinite where training left the finite numbers
  double floor = 0;  ///< the least that any logits could reach: not 0 where the teacher contradicts
                     ///< the labels
  double blind = 0;  ///< what one answer for all images reaches: nothing is seen to get there
  std::vector<std::string> untrained;  ///< parameters that no step gave a gradient
  bool stopped = false;                ///< a stop was requested on some rank; the same on all ranks

  /// Which share of what the loss could fall it has fallen, 1 at most; -1 if it is not finite.
  double fallen() const;
  /// It has fallen by a third of what it could, and to a fifth of the way from blind to floor; or
  /// it began low, among stages that know their work, fell still, and is past half of that way.
  /// (Never all of it: a frozen head bounds the logits.)
  bool learnt() const;
};

/// This rank's batches of one step, and what the step holds over the group.
struct FixedStep {
  std::vector<Batch> batches;
  std::int64_t samples = 0, classes = 0;
};

/// The first step of training without anything random: no augmentation, mixing or smoothing; the
/// images are those that `seed` shuffles to the front.
FixedStep fixed_step(const DataOptions& data, const TrainOptions& options, std::uint64_t seed,
                     const Communicator& group);

/// Trains `task` on the same step again and again with a constant learning rate of
/// options.schedule.lr, until it has learnt (four steps at least). The task's weights change; no
/// file is touched. Collective over context.group.
Overfit overfit(Task task, const FixedStep& step, const TrainContext& context,
                const OverfitOptions& options);

}  // namespace m2mkd
