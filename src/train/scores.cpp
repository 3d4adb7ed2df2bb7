#include "scores.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <m2mkd/base/log.hpp>

namespace m2mkd {

namespace {

// Smallest share of its block's tokens that any expert gets, in percent; 100 without experts.
double smallest_expert_share(const Accuracy& accuracy) {
  double smallest = 100.0;
  for (const auto& [block, load] : accuracy.expert_load) {
    double all = 0;
    for (const auto n : load) all += static_cast<double>(n);
    for (const auto n : load)
      smallest = std::min(smallest, 100.0 * static_cast<double>(n) / std::max(all, 1.0));
  }
  return smallest;
}

Scored scored(const Evaluation& on) {
  return {on.name, on.data_name, on.digest, on.images, on.classes_text()};
}

}  // namespace

std::vector<Scoring> start_scorings(const Task& task) {
  std::vector<Scoring> scorings;
  for (const auto& evaluation : task.evaluations) {
    if (!evaluation.start) continue;
    if (task.evaluate_start) scorings.push_back({&task, &evaluation, task.chain});
    if (task.evaluate_teachers)
      for (const auto& teacher : task.teachers) scorings.push_back({&task, &evaluation, teacher});
  }
  return scorings;
}

std::vector<Scoring> end_scorings(const Task& task, const Chain& chain) {
  std::vector<Scoring> scorings;
  for (const auto& evaluation : task.evaluations)
    if (evaluation.end) scorings.push_back({&task, &evaluation, chain});
  return scorings;
}

void record(Results& results, const Scoring& scoring, const Accuracy& accuracy,
            const std::string& prefix) {
  const Evaluation& on = *scoring.evaluation;
  results.put(scored(on));
  const auto put = [&](const std::string& metric, double value, double error) {
    results.put(Result{scoring.task->name, on.name, prefix + metric, value, error, accuracy.count});
  };
  put("acc1", accuracy.acc1, accuracy.standard_error(accuracy.acc1));
  put("acc5", accuracy.acc5, accuracy.standard_error(accuracy.acc5));
  put("loss", accuracy.loss, std::nan(""));
  if (!prefix.empty()) return;
  if (accuracy.acc1_published) put("acc1_published", *accuracy.acc1_published, std::nan(""));
  if (!accuracy.expert_load.empty())
    put("smallest_expert_share", smallest_expert_share(accuracy), std::nan(""));
}

void record_best(Results& results, const Scoring& scoring, const Accuracy& accuracy, double epoch) {
  const Evaluation& on = *scoring.evaluation;
  results.put(scored(on));
  results.put(Result{scoring.task->name, on.name, "best_acc1", accuracy.acc1,
                     accuracy.standard_error(), accuracy.count});
  results.put(
      Result{scoring.task->name, on.name, "best_epoch", epoch, std::nan(""), accuracy.count});
}

void record_start(Results& results, const Task& task, std::span<const Accuracy> accuracies) {
  const auto scorings = start_scorings(task);
  const Evaluation* on = nullptr;
  std::size_t place = 0;  // among the chains of one evaluation
  for (std::size_t i = 0; i < scorings.size(); ++i) {
    place = scorings[i].evaluation == on ? place + 1 : 0;
    on = scorings[i].evaluation;
    const bool own = task.evaluate_start && place == 0;
    const std::size_t teacher = place + (task.evaluate_start ? 0 : 1);
    const std::string who = own            ? "start"
                            : teacher == 1 ? "teacher"
                                           : "teacher" + std::to_string(teacher);
    record(results, scorings[i], accuracies[i], who + "_");
    log::info("{}: {} acc1={:.2f}{}", task.name, own ? "before training" : who, accuracies[i].acc1,
              on_text(*on));
  }
}

TableGroup expert_table(const Accuracy& accuracy) {
  std::vector<std::string> blocks;
  std::vector<std::int64_t> experts, tokens;
  for (const auto& [block, load] : accuracy.expert_load)
    for (std::size_t e = 0; e < load.size(); ++e) {
      blocks.push_back(block);
      experts.push_back(static_cast<std::int64_t>(e));
      tokens.push_back(load[e]);
    }
  std::vector<std::int64_t> rows(blocks.size());
  std::iota(rows.begin(), rows.end(), 0);
  return {
      "experts", {}, {{"row", rows}, {"block", blocks}, {"expert", experts}, {"tokens", tokens}}};
}

bool of_data_section(const std::string& evaluation) {
  return evaluation == "test" || evaluation == "validation";
}

std::string on_text(const Evaluation& evaluation) {
  return of_data_section(evaluation.name) ? "" : " on " + evaluation.name;
}

}  // namespace m2mkd
