#pragma once
// How long optimizer steps, evaluation and loading take. Steps and evaluation run exactly what the
// trainer runs, on random images and labels, so that no data set is needed.

#include <m2mkd/data/loader.hpp>
#include <m2mkd/nn/models.hpp>
#include <m2mkd/train/trainer.hpp>

namespace m2mkd {

struct TimerOptions {
  double seconds = 2;        ///< timed steps go on until they took so long; one at least
  std::int64_t warm_up = 2;  ///< steps before them
};

/// 0 without values.
double median(std::vector<double> values);

struct StepTimes {
  std::int64_t images = 0;      ///< of one step, over the group
  std::vector<double> seconds;  ///< of each timed step, as the slowest rank saw it
  bool stopped = false;         ///< a stop was requested on some rank; the same on all ranks

  double step_seconds() const { return median(seconds); }
  double images_per_second() const;
};

/// Calls `step` (for `images` images over the group) again and again. Collective: all ranks make
/// the same number of calls.
StepTimes time_steps(const std::function<void()>& step, std::int64_t images,
                     const Communicator& group, const TimerOptions& options);

/// Optimizer steps of a pack on random batches: forwards, backwards, reduction, clipping, update.
/// The tasks' weights change. Collective over context.group.
StepTimes time_training(std::vector<Task> pack, const ImageShape& shape,
                        const TrainContext& context, const TimerOptions& options);

/// Evaluation of a chain on random images. A step is a pass over `images` of them, sharded over
/// context.group, in forwards of `batch`.
StepTimes time_evaluation(const Chain& chain, const ImageShape& shape, Precision precision,
                          std::int64_t images, std::int64_t batch, const TrainContext& context,
                          const TimerOptions& options);

/// Preparing the training batches of a step when nothing else happens; each time is the mean of
/// several steps where they are short.
StepTimes time_loading(TrainLoader& loader, const Communicator& group, const TimerOptions& options);

}  // namespace m2mkd
