#pragma once
// Scoring of the jobs of a pack, each by its own settings.

#include <map>
#include <optional>
#include <vector>

#include <m2mkd/train/evaluator.hpp>
#include <m2mkd/train/trainer.hpp>

namespace m2mkd {

/// The images of the evaluations of a pack's jobs, open.
class EvaluationImages {
 public:
  const Dataset& of(const Evaluation& evaluation);

 private:
  std::map<std::string, Dataset> open_;  ///< by split and file
};

/// A chain, the job whose evaluation settings it has, and what it is scored on.
struct Scoring {
  const Task* task;
  const Evaluation* evaluation;
  Chain chain;
};

/// Accuracies in the order of `chains`. Those on the same images with the same classes, eval_batch,
/// eval_drop_last and meter go together, and what they have in common is computed once. Nothing
/// where a stop was requested on any rank of the group.
std::optional<std::vector<Accuracy>> evaluate_pack(const std::vector<Scoring>& chains,
                                                   EvaluationImages& images,
                                                   const TrainContext& context);

}  // namespace m2mkd
