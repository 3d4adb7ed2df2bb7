#include <algorithm>

#include <m2mkd/base/log.hpp>
#include <m2mkd/comm/on_root.hpp>
#include <m2mkd/train/completion.hpp>
#include <m2mkd/train/retest.hpp>

#include "scores.hpp"

namespace m2mkd {

namespace {

TableFile metrics_of(const Task& task) {
  if (task.metrics_file.empty() || !std::filesystem::exists(task.metrics_file)) return {};
  return read_table_file(task.metrics_file);
}

// Rows of other images than the task's. The best during training is of the validation split where
// there is one, though files of earlier versions do not say so.
void forget(const Task& task, Results& results) {
  const auto again = [&](const std::string& name) {
    return std::ranges::find(task.evaluations, name, &Evaluation::name) != task.evaluations.end();
  };
  const bool validates = task.data.validation_images > 0;
  std::erase_if(results.rows, [&](const Result& row) {
    return again(row.evaluation) && !(validates && row.metric.starts_with("best_"));
  });
}

// Metrics first, as when a job is finished: with the module file all is said.
void write(const Task& task, std::span<const Scoring> ended, std::span<const Accuracy> accuracies) {
  TensorFile module = read_tensor_file(task.module_file);
  auto& attributes = module.attributes;
  Results results = read_results({attributes, module.tables});
  const double before = results.value("test", "acc1");
  for (const auto& [name, value] : task.provenance)
    if (name == "config" || name.starts_with("data.") || name.starts_with("test."))
      attributes[name] = value;
  forget(task, results);
  TableFile metrics = metrics_of(task);
  for (std::size_t i = 0; i < ended.size(); ++i) {
    const auto& [of, on, chain] = ended[i];
    record(results, ended[i], accuracies[i]);
    if (on->name != "test") {
      log::info("{}: acc1={:.2f}{}", task.name, accuracies[i].acc1, on_text(*on));
      continue;
    }
    std::erase_if(metrics.groups, [](const TableGroup& group) { return group.path == "experts"; });
    if (!accuracies[i].expert_load.empty()) metrics.groups.push_back(expert_table(accuracies[i]));
    log::info("{}: tested again acc1={:.2f} (was {:.2f})", task.name, accuracies[i].acc1, before);
  }
  record_start(results, task, accuracies.subspan(ended.size()));
  add_attributes(results, attributes);
  module.tables = results.tables();

  for (const auto& [name, value] : attributes) metrics.attributes[name] = value;
  for (const auto& table : module.tables) {
    std::erase_if(metrics.groups, [&](const auto& group) { return group.path == table.path; });
    metrics.groups.push_back(table);
  }
  if (!task.metrics_file.empty()) write_table_file(task.metrics_file, metrics);
  write_tensor_file(task.module_file, module);
  complete({attributes, module.tables}, task.checkpoints, task.status_file);
}

}  // namespace

bool retest(const Task& task, const Chain& finished, const TrainContext& context) {
  context.beat("testing " + task.name + " again");
  const auto ended = end_scorings(task, finished);
  auto all = ended;
  for (auto& scoring : start_scorings(task)) all.push_back(std::move(scoring));
  EvaluationImages images;
  const auto accuracies = evaluate_pack(all, images, context);
  if (!accuracies) return false;
  on_root(context.group, [&] {
    write(task, ended, *accuracies);
    return std::string();
  });
  return true;
}

}  // namespace m2mkd
