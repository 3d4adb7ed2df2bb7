#include "task_parts.hpp"

#include <algorithm>

#include <ATen/ATen.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/train/trainable.hpp>

namespace m2mkd {
namespace {

// What all stages use trains: then no stage is frozen.
bool shared_trains(const Task& task) {
  return task.chain.shared &&
         trainable_count({"", {}, task.chain.shared}, task.options.trainable) > 0;
}

}  // namespace

std::vector<Parameter> make_trainable(const Task& task) {
  for (const auto& stage : task.chain.stages) set_trainable(*stage, false);
  if (task.chain.shared) set_trainable(*task.chain.shared, false);
  for (const auto& teacher : task.teachers)
    for (const auto& stage : teacher.stages)
      if (std::ranges::count(task.chain.stages, stage) == 0) set_trainable(*stage, false);
  auto list = trainable_parameters(trained_part(task), task.options.trainable);
  require(!list.empty(), "a job trains at least one parameter");
  for (auto& parameter : list) parameter.tensor.requires_grad_(true);
  return list;
}

std::vector<int> active_stages(const Task& task) {
  std::vector<int> active;
  for (const int i : task.trained) {
    Chain one{"", std::vector<StagePtr>(task.chain.stages.size()), nullptr};
    const auto at = static_cast<std::size_t>(i);
    one.stages[at] = task.chain.stages[at];
    if (shared_trains(task) || trainable_count(one, task.options.trainable) > 0)
      active.push_back(i);
  }
  return active;
}

Chain trained_part(const Task& task) {
  Chain part = task.chain;
  for (std::size_t i = 0; i < part.stages.size(); ++i)
    if (std::ranges::count(task.trained, static_cast<int>(i)) == 0) part.stages[i] = nullptr;
  return part;
}

Chain active_part(const Task& task) {
  Chain part = trained_part(task);
  const auto active = active_stages(task);
  for (std::size_t i = 0; i < part.stages.size(); ++i)
    if (std::ranges::count(active, static_cast<int>(i)) == 0) part.stages[i] = nullptr;
  return part;
}

}  // namespace m2mkd
