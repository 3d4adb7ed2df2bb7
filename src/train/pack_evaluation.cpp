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

}  // namespace

Dataset open_split(const Task& task, Split split) {
  Dataset dataset(task.data, split);
  const auto digest = task.provenance.find(split == Split::test ? "test.digest" : "data.digest");
  if (digest != task.provenance.end()) dataset.expect(std::get<std::string>(digest->second));
  return dataset;
}

std::optional<std::vector<Accuracy>> evaluate_pack(const std::vector<Evaluated>& chains,
                                                   const Dataset& dataset,
                                                   const TrainContext& context) {
  using Key = std::tuple<std::int64_t, bool, std::int64_t>;
  std::map<Key, std::vector<std::size_t>> alike;
  for (std::size_t i = 0; i < chains.size(); ++i) {
    const Task& task = *chains[i].first;
    alike[{task.options.eval_batch, task.options.eval_drop_last,
           published_batch(task.options, task.data)}]
        .push_back(i);
  }
  std::vector<Accuracy> all(chains.size());
  for (const auto& [key, places] : alike) {
    const Task& task = *chains[places.front()].first;
    std::vector<Chain> together;
    for (const auto i : places) together.push_back(chains[i].second);
    const auto [batch, drop_last, published] = key;
    auto accuracies =
        evaluate(together, {dataset, task.data, batch, task.options.precision, context.group,
                            context.device, context.beat, drop_last, published});
    if (!accuracies) return std::nullopt;
    for (std::size_t k = 0; k < places.size(); ++k) all[places[k]] = std::move((*accuracies)[k]);
  }
  return all;
}

}  // namespace m2mkd
