#include "test_result.hpp"

#include <algorithm>
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

}  // namespace

void record_test(Attributes& results, const Accuracy& test, std::int64_t images) {
  results["acc1"] = test.acc1;
  results["acc5"] = test.acc5;
  results["loss"] = test.loss;
  results["acc1_standard_error"] = test.standard_error();
  results["test_images"] = test.count;
  results["test.dropped"] = images - test.count;
  results.erase("acc1_published");
  results.erase("smallest_expert_share");
  if (test.acc1_published) results["acc1_published"] = *test.acc1_published;
  if (!test.expert_load.empty()) results["smallest_expert_share"] = smallest_expert_share(test);
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

std::vector<Chain> start_chains(const Task& task) {
  std::vector<Chain> chains;
  if (task.evaluate_start) chains.push_back(task.chain);
  if (task.evaluate_teachers)
    chains.insert(chains.end(), task.teachers.begin(), task.teachers.end());
  return chains;
}

void record_start_results(Attributes& results, const Task& task,
                          std::span<const Accuracy> accuracies) {
  const auto set = task.provenance.find("test.digest");
  if (!accuracies.empty() && set != task.provenance.end())
    results["test.start_digest"] = set->second;
  std::size_t i = 0;
  if (task.evaluate_start) {
    results["start_acc1"] = accuracies[i].acc1;
    results["start_acc5"] = accuracies[i].acc5;
    results["start_loss"] = accuracies[i].loss;
    log::info("{}: before training acc1={:.2f}", task.name, accuracies[i++].acc1);
  }
  for (std::size_t teacher = 0; i < accuracies.size(); ++i, ++teacher) {
    const std::string name = teacher == 0 ? "teacher" : "teacher" + std::to_string(teacher + 1);
    results[name + "_acc1"] = accuracies[i].acc1;
    log::info("{}: {} acc1={:.2f}", task.name, name, accuracies[i].acc1);
  }
}

}  // namespace m2mkd
