#include "pack_evaluation.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include <ATen/ATen.h>

namespace m2mkd {

namespace {

// Images per virtual rank and evaluation batch of the published NAC trainer: 1.5 times those of a
// training batch.
std::int64_t published_batch(const TrainOptions& options, const DataOptions& data) {
  if (!options.published_meter) return 0;
  const auto share = static_cast<double>(options.batch) / static_cast<double>(data.published_ranks);
  return std::max<std::int64_t>(1, std::llround(1.5 * share));
}

std::string place(const Evaluation& evaluation) {
  const auto& data = evaluation.data;
  return fmt::format("{} {}", static_cast<int>(evaluation.split),
                     (evaluation.split == Split::test ? data.test : data.train).string());
}

ClassMap class_map(const Evaluation& evaluation) {
  if (evaluation.classes.empty()) return {};
  const at::Tensor classes =
      at::empty({static_cast<std::int64_t>(evaluation.classes.size())}, at::kLong);
  std::ranges::copy(evaluation.classes, classes.mutable_data_ptr<std::int64_t>());
  return {classes, evaluation.masks};
}

}  // namespace

const Dataset& EvaluationImages::of(const Evaluation& evaluation) {
  const auto key = place(evaluation);
  auto it = open_.find(key);
  if (it == open_.end()) it = open_.emplace(key, evaluation.open()).first;
  return it->second;
}

std::optional<std::vector<Accuracy>> evaluate_pack(const std::vector<Scoring>& chains,
                                                   EvaluationImages& images,
                                                   const TrainContext& context) {
  using Key =
      std::tuple<std::string, std::vector<std::int64_t>, bool, std::int64_t, bool, std::int64_t>;
  std::vector<std::pair<Key, std::vector<std::size_t>>> alike;  // in the order of their first
  for (std::size_t i = 0; i < chains.size(); ++i) {
    const auto& [task, evaluation, chain] = chains[i];
    const Key key{place(*evaluation),
                  evaluation->classes,
                  evaluation->masks,
                  task->options.eval_batch,
                  task->options.eval_drop_last,
                  published_batch(task->options, task->data)};
    auto it = std::ranges::find(alike, key, [](const auto& group) { return group.first; });
    if (it == alike.end()) it = alike.insert(alike.end(), {key, {}});
    it->second.push_back(i);
  }
  std::vector<Accuracy> all(chains.size());
  for (const auto& [key, places] : alike) {
    const Task& task = *chains[places.front()].task;
    const Evaluation& evaluation = *chains[places.front()].evaluation;
    std::vector<Chain> together;
    for (const auto i : places) together.push_back(chains[i].chain);
    auto accuracies =
        evaluate(together, {images.of(evaluation), evaluation.data, task.options.eval_batch,
                            task.options.precision, context.group, context.device, context.beat,
                            task.options.eval_drop_last, published_batch(task.options, task.data),
                            class_map(evaluation)});
    if (!accuracies) return std::nullopt;
    for (std::size_t k = 0; k < places.size(); ++k) all[places[k]] = std::move((*accuracies)[k]);
  }
  return all;
}

}  // namespace m2mkd
