#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/stop.hpp>
#include <m2mkd/base/stopwatch.hpp>
#include <m2mkd/train/objective.hpp>
#include <m2mkd/train/overfit.hpp>

#include "autocast.hpp"
#include "pack_step.hpp"

namespace m2mkd {

namespace {

constexpr std::int64_t least_steps = 4;

// Learning is steady and nothing is random or logged; a loss that is not finite is an answer here.
TrainOptions steady(TrainOptions options, std::int64_t steps) {
  const double lr = options.schedule.lr;
  options.schedule = {};
  options.schedule.lr = options.schedule.min_lr = lr;
  options.schedule.epochs = static_cast<double>(steps);
  options.clip_grad = 1;
  options.clip_mixed_only = false;
  options.weight_decay = 0;
  options.frozen_drop_path = false;
  options.max_steps = 0;
  options.log_steps = false;
  options.non_finite = NonFinite::skip;
  return options;
}

// What the teachers say about this batch, as the step computes it.
at::Tensor teacher_probabilities(const Task& task, const at::Tensor& images, c10::Device device) {
  if (task.teachers.empty() || task.options.objective.alpha == 0) return {};
  const c10::NoGradGuard no_grad;
  const Autocast autocast(task.options.precision, device);
  std::vector<at::Tensor> logits;
  for (const auto& teacher : task.teachers)
    logits.push_back(teacher.forward(images, ForwardContext{}));
  return soften(logits, task.options.objective);
}

// Σ over the batch of the least loss: free logits instead of a network's. Without teachers it is 0;
// with a temperature of 1 the mixture of label and teacher is already the minimum.
double least_loss(const Task& task, const Batch& batch, c10::Device device) {
  const at::Tensor said = teacher_probabilities(task, batch.images.to(device), device);
  if (!said.defined()) return 0;
  const auto& o = task.options.objective;
  const at::Tensor p = said.to(at::kCPU, at::kDouble), labels = batch.labels.to(at::kCPU);
  const double weight = o.ce_weight == CeWeight::complement ? std::max(1 - o.alpha, 1e-3) : 1.0;
  const at::Tensor mixture = weight * at::one_hot(labels, p.size(1)) + o.alpha * p;
  const Parameter logits{"logits", (mixture + 1e-9).log().requires_grad_(true), {}};
  constexpr int descent = 100;
  AdamW optimizer({logits}, steady(task.options, descent));
  double least = std::numeric_limits<double>::infinity();
  for (int i = 0; i < descent; ++i) {
    logits.tensor.mutable_grad() = {};
    const at::Tensor loss = objective(logits.tensor, labels, {}, p, o).loss;
    least = std::min(least, loss.item<double>());
    loss.backward();
    optimizer.step(0.05);
  }
  return least;
}

// Forgets the parameters that have a gradient.
void forget_trained(std::vector<Parameter>& silent) {
  std::erase_if(silent, [](const Parameter& p) {
    const at::Tensor& gradient = p.tensor.grad();
    return gradient.defined() && gradient.count_nonzero().item<std::int64_t>() > 0;
  });
}

}  // namespace

double Overfit::fallen() const {
  return std::isfinite(last) ? (first - last) / std::max(first - floor, 1e-12) : -1;
}

std::vector<Batch> fixed_step(DataOptions data, const TrainOptions& options, std::uint64_t seed,
                              const Communicator& group) {
  data.order = Order::shuffled;
  data.flip = data.mixup = data.cutmix = data.smoothing = 0;
  data.crop_pad = 0;
  TrainLoader loader(Dataset(data, Split::train), data, loader_options(options, seed, group));
  loader.start(0);
  std::vector<Batch> batches;
  for (std::int64_t i = 0; i < loader.batches_per_step(); ++i) batches.push_back(loader.next());
  return batches;
}

Overfit overfit(Task task, const std::vector<Batch>& batches, std::int64_t samples,
                const TrainContext& context, const OverfitOptions& options) {
  require(samples > 0 && options.steps > 0, "overfit: at least one image and one step");
  task.options = steady(task.options, options.steps + 1);
  Overfit result;
  std::vector<double> floor{0};
  for (const auto& batch : batches) floor[0] += least_loss(task, batch, context.device);
  context.group.sum(floor);
  result.floor = floor[0] / static_cast<double>(samples);

  std::vector<Parameter> silent = parameters(trained_part(task));
  std::vector<std::unique_ptr<JobRun>> runs;
  runs.push_back(std::make_unique<JobRun>(std::move(task), context, options.steps + 1, samples));
  const Stopwatch watch;
  for (std::int64_t step = 0;; ++step) {
    context.beat("overfitting one batch");
    std::size_t next = 0;
    auto sums = pack_gradients(
        runs, static_cast<std::int64_t>(batches.size()), [&] { return batches[next++]; },
        context.device);
    sums.push_back(stop::requested() ? 1.0 : 0.0);
    sums.push_back(watch.seconds() > options.seconds ? 1.0 : 0.0);
    context.group.sum(sums);
    forget_trained(silent);
    result.last = sums[0] / static_cast<double>(samples);
    if (step == 0) result.first = result.last;
    result.steps = step;
    result.stopped = sums[sums.size() - 2] > 0;
    const bool learnt = step >= least_steps && result.fallen() >= options.enough;
    if (result.stopped || sums.back() > 0 || !std::isfinite(sums[0]) || learnt ||
        step >= options.steps)
      break;
    pack_update(runs, std::span(sums).first(JobRun::sum_count), 1);
  }
  for (const auto& parameter : silent) result.untrained.push_back(parameter.name);
  return result;
}

}  // namespace m2mkd
