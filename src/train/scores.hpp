#pragma once
// What of a job is scored on what, and what the accuracies come to in its results: one way for a
// training that ends and for a finished network that is tested again.

#include <span>

#include <m2mkd/train/results.hpp>

#include "pack_evaluation.hpp"

namespace m2mkd {

/// Before the first step: its own chain and its teachers', as the task asks, by the evaluations
/// that score the start.
std::vector<Scoring> start_scorings(const Task& task);
/// `chain` by the evaluations that score the trained network.
std::vector<Scoring> end_scorings(const Task& task, const Chain& chain);

/// Rows PREFIXacc1, PREFIXacc5, PREFIXloss; and, where there are such, acc1_published and
/// smallest_expert_share.
void record(Results& results, const Scoring& scoring, const Accuracy& accuracy,
            const std::string& prefix = "");
/// Rows best_acc1 and best_epoch, in the place of earlier ones.
void record_best(Results& results, const Scoring& scoring, const Accuracy& accuracy, double epoch);
/// Accuracies of start_scorings(): start_acc1, ...; teacher_acc1, ..., teacher2_acc1, ...
void record_start(Results& results, const Task& task, std::span<const Accuracy> accuracies);

/// Tokens per block and expert.
TableGroup expert_table(const Accuracy& test);

/// " on NAME", for all but what section [data] gives.
std::string on_text(const Evaluation& evaluation);
bool of_data_section(const std::string& evaluation);

}  // namespace m2mkd
