#pragma once
// Evaluation of the jobs of a pack, each by its own settings.

#include <optional>
#include <utility>
#include <vector>

#include <m2mkd/train/evaluator.hpp>
#include <m2mkd/train/trainer.hpp>

namespace m2mkd {

/// A chain, and the job whose evaluation settings it has.
using Evaluated = std::pair<const Task*, Chain>;

/// Accuracies on the split in the order of `chains`. Those with the same eval_batch, eval_drop_last
/// and meter go together, and what they have in common is computed once. Nothing where a stop was
/// requested on any rank of the group.
std::optional<std::vector<Accuracy>> evaluate_pack(const std::vector<Evaluated>& chains,
                                                   const Dataset& dataset,
                                                   const TrainContext& context);

/// The task's images, which are those that its files name (data.digest, test.digest); throws Error
/// where the file was exchanged since.
Dataset open_split(const Task& task, Split split);

}  // namespace m2mkd
