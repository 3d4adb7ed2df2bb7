#include <algorithm>

#include <m2mkd/base/log.hpp>
#include <m2mkd/comm/on_root.hpp>
#include <m2mkd/train/completion.hpp>
#include <m2mkd/train/retest.hpp>

#include "pack_evaluation.hpp"
#include "test_result.hpp"

namespace m2mkd {

namespace {

TableFile metrics_of(const Task& task) {
  if (task.metrics_file.empty() || !std::filesystem::exists(task.metrics_file)) return {};
  return read_table_file(task.metrics_file);
}

// Metrics first, as when a job is published: with the module file all is said.
void write(const Task& task, std::span<const Accuracy> accuracies, std::int64_t images) {
  TensorFile module = read_tensor_file(task.module_file);
  auto& attributes = module.attributes;
  const double before = number_attribute(attributes, "acc1");
  for (const auto& [name, value] : task.provenance)
    if (name == "config" || name.starts_with("data.") || name.starts_with("test."))
      attributes[name] = value;
  if (task.data.validation_images == 0)
    for (const auto* name : {"best_acc1", "best_epoch"}) attributes.erase(name);
  record_test(attributes, accuracies.front(), images);
  record_start_results(attributes, task, accuracies.subspan(1));

  TableFile metrics = metrics_of(task);
  for (const auto& [name, value] : attributes) metrics.attributes[name] = value;
  std::erase_if(metrics.groups, [](const TableGroup& group) { return group.path == "experts"; });
  if (!accuracies.front().expert_load.empty())
    metrics.groups.push_back(expert_table(accuracies.front()));
  if (!task.metrics_file.empty()) write_table_file(task.metrics_file, metrics);
  write_tensor_file(task.module_file, module);
  complete(attributes, task.checkpoints, task.status_file);
  log::info("{}: tested again acc1={:.2f} (was {:.2f})", task.name, accuracies.front().acc1,
            before);
}

}  // namespace

bool retest(const Task& task, const Chain& published, const TrainContext& context) {
  context.beat("testing " + task.name + " again");
  const Dataset test = open_split(task, Split::test);
  std::vector<Evaluated> chains{{&task, published}};
  for (auto& chain : start_chains(task)) chains.emplace_back(&task, std::move(chain));
  const auto accuracies = evaluate_pack(chains, test, context);
  if (!accuracies) return false;
  on_root(context.group, [&] {
    write(task, *accuracies, test.size());
    return std::string();
  });
  return true;
}

}  // namespace m2mkd
