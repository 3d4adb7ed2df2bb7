#pragma once
// What evaluations on the test set come to in a job's files: one way for a training that ends and
// for a finished network that is tested again.

#include <span>
#include <vector>

#include <m2mkd/store/table_file.hpp>
#include <m2mkd/train/evaluator.hpp>
#include <m2mkd/train/trainer.hpp>

namespace m2mkd {

/// acc1, acc5, loss, acc1_standard_error, test_images (scored) and test.dropped (of the `images` of
/// the test set, those that were not); acc1_published and smallest_expert_share where there are
/// such, and not where there are none.
void record_test(Attributes& results, const Accuracy& test, std::int64_t images);

/// Tokens per block and expert.
TableGroup expert_table(const Accuracy& test);

/// Chains whose accuracy before training a job records: its own and its teachers', as it asks.
std::vector<Chain> start_chains(const Task& task);
/// Their accuracies: start_acc1, start_acc5, start_loss; teacher_acc1, teacher2_acc1, ...; and
/// test.start_digest, the test set that they are of.
void record_start_results(Attributes& results, const Task& task,
                          std::span<const Accuracy> accuracies);

}  // namespace m2mkd
