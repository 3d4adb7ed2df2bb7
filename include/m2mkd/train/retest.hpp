#pragma once
// A finished network on another test set than it was tested on: training stays, its numbers do not.

#include <m2mkd/train/trainer.hpp>

namespace m2mkd {

/// Scores `finished` (what the task's module file holds, in its surroundings) and, as the task
/// asks, its start and its teachers by the task's evaluations, and writes metrics and module file
/// anew with the new rows and the task's provenance; tensors, and so the digest, stay. The best
/// accuracy during training was of the other images and goes. False when a stop was requested
/// meanwhile: nothing is written. `task.evaluations`: those that are due, not all of the job's.
/// Collective over context.group.
bool retest(const Task& task, const Chain& finished, const TrainContext& context);

}  // namespace m2mkd
