#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/stop.hpp>
#include <m2mkd/base/stopwatch.hpp>
#include <m2mkd/train/objective.hpp>
#include <m2mkd/train/overfit.hpp>
#include <m2mkd/train/trainable.hpp>

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
  options.non_finite_row = steps + 1;
  options.non_finite_share = 1;
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

// What the loss draws the probabilities to, per sample (B, classes): label and teacher, mixed.
at::Tensor mixture(const Batch& batch, const at::Tensor& said, std::int64_t classes,
                   const ObjectiveOptions& o) {
  const at::Tensor label = at::one_hot(batch.labels, classes).to(at::kDouble);
  if (!said.defined()) return label;
  const double weight = o.ce_weight == CeWeight::complement ? std::max(1 - o.alpha, 1e-3) : 1.0;
  return (weight * label + o.alpha * said) / (weight + o.alpha);
}

// Σ over the batch of the least loss: free logits instead of a network's. Without teachers it is 0;
// with a temperature of 1 the mixture is the minimum, else descent goes on from there.
double least_loss(const Batch& batch, const at::Tensor& said, const at::Tensor& mixed,
                  const TrainOptions& options) {
  if (!said.defined()) return 0;
  const Parameter logits{"logits", (mixed + 1e-9).log().requires_grad_(true), {}};
  constexpr int descent = 100;
  AdamW optimizer({logits}, steady(options, descent));
  double least = std::numeric_limits<double>::infinity();
  for (int i = 0; i < descent; ++i) {
    logits.tensor.mutable_grad() = at::Tensor();
    const at::Tensor loss =
        objective(logits.tensor, batch.labels, {}, said, options.objective).loss;
    least = std::min(least, loss.item<double>());
    loss.backward();
    optimizer.step(0.05);
  }
  return least;
}

// Fills floor and blind.
void find_limits(const Task& task, const FixedStep& step, const TrainContext& context,
                 Overfit& result) {
  const auto& o = task.options.objective;
  const auto samples = static_cast<double>(step.samples);
  std::vector<double> sums{0, 0};
  std::vector<at::Tensor> said;
  at::Tensor mean = at::zeros({step.classes}, at::kDouble);
  for (const auto& batch : step.batches) {
    said.push_back(teacher_probabilities(task, batch.images.to(context.device), context.device));
    if (said.back().defined()) said.back() = said.back().to(at::kCPU, at::kDouble);
    const at::Tensor mixed = mixture(batch, said.back(), step.classes, o);
    mean += mixed.sum(0) / samples;
    sums[0] += least_loss(batch, said.back(), mixed, task.options);
  }
  context.group.sum(mean);
  const at::Tensor answer = (mean + 1e-9).log();
  for (std::size_t i = 0; i < said.size(); ++i) {
    const Batch& batch = step.batches[i];
    sums[1] += objective(answer.expand({batch.labels.size(0), -1}), batch.labels, {}, said[i], o)
                   .loss.item<double>();
  }
  context.group.sum(sums);
  result.floor = sums[0] / samples;
  result.blind = sums[1] / samples;
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

bool Overfit::learnt() const {
  const double seen = (blind - last) / std::max(blind - floor, 1e-12);
  return (fallen() >= 1.0 / 3 && seen >= 0.2) || (fallen() >= 0.05 && seen >= 0.5);
}

FixedStep fixed_step(const DataOptions& augmented, const TrainOptions& options, std::uint64_t seed,
                     const Communicator& group) {
  const DataOptions data = without_augmentation(augmented);
  const Dataset dataset(data, Split::train);
  TrainLoader loader(dataset, data, loader_options(options, seed, group));
  loader.start(0);
  FixedStep step{{}, loader.samples_per_step(), dataset.classes()};
  for (std::int64_t i = 0; i < loader.batches_per_step(); ++i)
    step.batches.push_back(loader.next());
  return step;
}

Overfit overfit(Task task, const FixedStep& step, const TrainContext& context,
                const OverfitOptions& options) {
  require(step.samples > 0 && options.steps > 0, "overfit: at least one image and one step");
  task.options = steady(task.options, options.steps + 1);
  Overfit result;
  find_limits(task, step, context, result);
  const auto samples = static_cast<double>(step.samples);
  auto silent = trainable_parameters(trained_part(task), task.options.trainable);
  std::erase_if(silent, [](const Parameter& parameter) { return parameter.idle; });
  JobRun run(std::move(task), context, options.steps + 1, step.samples);
  JobRun* const runs[] = {&run};
  const Stopwatch watch;
  for (;; ++result.steps) {
    context.beat("overfitting one batch");
    std::size_t next = 0;
    auto sums = pack_gradients(
        runs, static_cast<std::int64_t>(step.batches.size()), [&] { return step.batches[next++]; },
        context.device);
    sums.push_back(stop::requested() ? 1.0 : 0.0);
    sums.push_back(watch.seconds() > options.seconds ? 1.0 : 0.0);
    context.group.sum(sums);
    forget_trained(silent);
    result.last = sums[0] / samples;
    if (result.steps == 0) result.first = result.last;
    result.stopped = sums[sums.size() - 2] > 0;
    if (result.stopped || sums.back() > 0 || !std::isfinite(result.last) ||
        (result.steps >= least_steps && result.learnt()) || result.steps >= options.steps)
      break;
    pack_update(runs, std::span(sums).first(JobRun::sum_count), 1);
  }
  for (const auto& parameter : silent) result.untrained.push_back(parameter.name);
  return result;
}

}  // namespace m2mkd
