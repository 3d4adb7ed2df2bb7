#include <algorithm>
#include <cmath>
#include <sstream>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <m2mkd/base/stop.hpp>
#include <m2mkd/train/evaluator.hpp>
#include <m2mkd/train/parameter_type.hpp>
#include <m2mkd/train/prefix.hpp>

#include "autocast.hpp"
#include "evaluate_batches.hpp"

namespace m2mkd {

namespace {

// Leading stages of chain `i` that some other chain has too: worth computing through the cache.
int shared_stages(std::span<const Chain> chains, std::size_t i) {
  int shared = 0;
  for (std::size_t j = 0; j < chains.size(); ++j)
    if (j != i) shared = std::max(shared, common_stages(chains[i], chains[j]));
  return shared;
}

// Sums of one chain over the batches seen here; 0-dim double tensors on the device, so that nothing
// waits for it.
struct Sums {
  at::Tensor correct1, correct5, loss;
  Observations observations;
  std::optional<PublishedMeter> meter;

  Sums(c10::Device device, const std::optional<PublishedMeter>& empty)
      : correct1(at::zeros({}, at::dtype(at::kDouble).device(device))),
        correct5(correct1.clone()),
        loss(correct1.clone()),
        meter(empty) {}

  void add(std::int64_t first, const at::Tensor& logits, const at::Tensor& of_file,
           const ClassMap& map) {
    at::Tensor z = logits.scalar_type() == at::kDouble ? logits : logits.to(at::kFloat);
    at::Tensor labels = of_file;
    if (map.classes.defined() && map.masks)
      z = z.index_select(1, map.classes.to(z.device()));
    else if (map.classes.defined())
      labels = map.classes.to(labels.device()).index_select(0, labels);
    loss += at::nll_loss(at::log_softmax(z, 1), labels, {}, at::Reduction::Sum).to(at::kDouble);
    const auto best = std::get<1>(z.topk(std::min<std::int64_t>(5, z.size(1)), 1));
    const at::Tensor hit = best.eq(labels.unsqueeze(1));
    correct1 += hit.select(1, 0).sum();
    if (meter) meter->add(first, hit.select(1, 0).to(at::kCPU).contiguous());
    correct5 += hit.sum();
  }
};

// Tokens per expert over the group. As text, because a rank without images has no entries.
std::map<std::string, std::vector<std::int64_t>> total_load(const Observations& observations,
                                                            const Communicator& group) {
  std::ostringstream mine;
  for (const auto& [block, load] : observations.expert_load) {
    const at::Tensor counts = load.to(at::kCPU, at::kLong).contiguous();
    mine << block << ' ' << counts.numel();
    for (std::int64_t e = 0; e < counts.numel(); ++e)
      mine << ' ' << counts.const_data_ptr<std::int64_t>()[e];
    mine << '\n';
  }
  std::map<std::string, std::vector<std::int64_t>> total;
  for (const auto& text : group.all_gather(mine.str())) {
    std::istringstream in(text);
    std::string block;
    for (std::size_t experts = 0; in >> block >> experts;) {
      auto& sum = total[block];
      sum.resize(experts);
      for (std::int64_t n = 0; auto& s : sum) s += (in >> n, n);
    }
  }
  return total;
}

Accuracy finish(Sums& sums, std::span<const double> total, const Communicator& group) {
  Accuracy accuracy;
  accuracy.count = std::llround(total[3]);
  if (accuracy.count > 0) {
    const double n = static_cast<double>(accuracy.count);
    accuracy.acc1 = 100.0 * total[0] / n;
    accuracy.acc5 = 100.0 * total[1] / n;
    accuracy.loss = total[2] / n;
  }
  accuracy.expert_load = total_load(sums.observations, group);
  if (sums.meter) {
    group.sum(sums.meter->correct());
    accuracy.acc1_published = sums.meter->acc1();
  }
  return accuracy;
}

}  // namespace

double Accuracy::standard_error(double percent) const {
  const double p = percent / 100.0;
  return count > 0 ? 100.0 * std::sqrt(p * (1.0 - p) / static_cast<double>(count)) : 0.0;
}

std::int64_t scored_images(std::int64_t images, std::int64_t batch, bool drop_last) {
  return drop_last && images >= batch ? images / batch * batch : images;
}

std::optional<std::vector<Accuracy>> evaluate(
    std::span<const Chain> chains, const EvalRequest& request,
    const std::function<void(std::int64_t, const at::Tensor&)>& on_logits) {
  EvalLoader loader(request.dataset, request.data, request.batch, request.group.rank(),
                    request.group.size(), parameter_type(request.precision),
                    scored_images(request.dataset.size(), request.batch, request.drop_last));
  std::optional<PublishedMeter> meter;
  if (request.published_batch > 0)
    meter.emplace(request.dataset.size(), request.data.published_ranks, request.published_batch);
  return evaluate_batches(
      chains,
      {request.precision, request.group, request.device, request.beat, meter, request.classes},
      [&](Batch& batch) { return loader.next(batch); }, on_logits);
}

std::optional<std::vector<Accuracy>> evaluate_batches(
    std::span<const Chain> chains, const EvalPlace& place, const std::function<bool(Batch&)>& next,
    const std::function<void(std::int64_t, const at::Tensor&)>& on_logits) {
  const c10::NoGradGuard no_grad;
  const Autocast autocast(place.precision, place.device);
  std::vector<Sums> sums;
  for (std::size_t i = 0; i < chains.size(); ++i) sums.emplace_back(place.device, place.meter);
  double count = 0;
  for (Batch batch; !stop::requested() && next(batch);) {
    place.beat("evaluating");
    const at::Tensor images = batch.images.to(place.device), labels = batch.labels.to(place.device);
    PrefixCache prefix(images);
    for (std::size_t i = 0; i < chains.size(); ++i) {
      const int shared = shared_stages(chains, i);
      ForwardContext context;
      context.observations = &sums[i].observations;
      // What is random in evaluation too is keyed by the sample alone.
      context.first = batch.first;
      context.micro_batch = 1;
      const at::Tensor logits =
          chains[i].forward(prefix.output(chains[i], shared), context, shared);
      sums[i].add(batch.first, logits, labels, place.classes);
      if (i == 0 && on_logits) on_logits(batch.first, logits);
    }
    count += static_cast<double>(labels.size(0));
  }
  place.beat("ending an evaluation");  // a stop that reached this rank is told before it waits

  std::vector<double> totals;
  for (const auto& s : sums)
    for (const at::Tensor* t : {&s.correct1, &s.correct5, &s.loss})
      totals.push_back(t->item<double>());
  for (std::size_t i = 0; i < chains.size(); ++i)
    totals.insert(totals.begin() + static_cast<std::ptrdiff_t>(4 * i + 3), count);
  totals.push_back(stop::requested() ? 1.0 : 0.0);
  place.group.sum(totals);
  if (totals.back() > 0) return std::nullopt;

  std::vector<Accuracy> result;
  for (std::size_t i = 0; i < chains.size(); ++i)
    result.push_back(finish(sums[i], std::span(totals).subspan(4 * i, 4), place.group));
  return result;
}

}  // namespace m2mkd
