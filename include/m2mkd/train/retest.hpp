#pragma once
// A finished network on another test set than it was tested on: training stays, its numbers do not.

#include <m2mkd/train/trainer.hpp>

namespace m2mkd {

/// Evaluates `published` (what the task's module file holds, in its surroundings) and, as the task
/// asks, its start and its teachers on the task's test set, and writes metrics and module file anew
/// with the new numbers and the task's provenance; tensors, and so the digest, stay. Without a
/// validation split the best accuracy during training was of the other set and goes. False when a
/// stop was requested meanwhile: nothing is written. Collective over context.group.
bool retest(const Task& task, const Chain& published, const TrainContext& context);

}  // namespace m2mkd
