#pragma once
// Learning rate as a pure function of the step.

#include <m2mkd/train/options.hpp>

namespace m2mkd {

/// Steps of the whole schedule: round(epochs · steps per epoch), at least 1.
std::int64_t total_steps(const ScheduleOptions& options, std::int64_t steps_per_epoch);
/// Steps that a training makes: those of its schedule, or train.max_steps.
std::int64_t steps_to_make(const TrainOptions& options, std::int64_t steps_per_epoch);

/// The schedule of a training: its peak scaled to the batch where `lr_batch` asks for it.
ScheduleOptions schedule(const TrainOptions& options);

/// Linear warm-up from warmup_lr, then cosine to min_lr (reference/vmoe §4). `step` counts from 0.
double learning_rate(const ScheduleOptions& options, std::int64_t step,
                     std::int64_t steps_per_epoch);

}  // namespace m2mkd
