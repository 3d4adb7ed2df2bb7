#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include <m2mkd/data/sampler.hpp>
#include <m2mkd/nn/chain.hpp>
#include <m2mkd/plan/cost.hpp>
#include <m2mkd/plan/sharing.hpp>
#include <m2mkd/train/trainable.hpp>

namespace m2mkd {
namespace {

/// Stages run one after another on the meta device; `tokens` is what the last one handed on.
struct Walk {
  Flops backward, pass_through;
  double activations = 0;
  ChainCost chain;
  std::int64_t tokens = 0;
  std::vector<std::string> patterns{"all"};  ///< of what trains
  std::int64_t trainable = 0;

  void run(const StagePtr& stage) {
    const StageCost cost = stage->cost(tokens);
    chain.forward += cost.forward;
    add_backward(cost, stage);
    pass_through += cost.pass_through;
    chain.stages.push_back(parameter_count({"", {stage}, nullptr}));
    tokens = stage->tokens_out(tokens);
  }

 private:
  /// Nothing goes back beyond the first parameter that trains; products with weights that do not
  /// are left out, by their share of the stage's elements.
  void add_backward(const StageCost& cost, const StagePtr& stage) {
    const Chain one{"", {stage}, nullptr};
    const auto all = parameter_count(one), own = trainable_count(one, patterns);
    if (trainable + own == 0) return;
    trainable += own;
    activations += cost.activations;
    if (own == all) {
      backward += cost.backward;
      return;
    }
    const double share = static_cast<double>(own) / static_cast<double>(all);
    const Flops weights = cost.backward - cost.pass_through;
    backward += cost.pass_through;
    backward += {weights.executed * share, weights.published * share};
  }
};

/// A stage inside a meta chain, in three parts.
struct Hybrid {
  Walk prefix, inner, suffix;
  std::int64_t meta = 0;  ///< parameters of the whole meta chain

  Hybrid(const ModelOptions& meta_model, const Job& job, const StagePtr& stage,
         at::TensorOptions tensor) {
    const Chain chain = make_chain(meta_model, job.image_shape(), 0, "meta", tensor);
    meta = parameter_count(chain);
    for (int i = 0; i < job.stage; ++i) prefix.run(chain.stages[static_cast<std::size_t>(i)]);
    inner.patterns = job.train.trainable;
    inner.tokens = prefix.tokens;
    inner.run(stage);
    suffix.tokens = inner.tokens;
    for (int i = job.stage + 1; i < chain.size(); ++i)
      suffix.run(chain.stages[static_cast<std::size_t>(i)]);
  }
  ChainCost chain() const {
    ChainCost all;
    for (const Walk* part : {&prefix, &inner, &suffix}) {
      all.forward += part->chain.forward;
      all.stages.insert(all.stages.end(), part->chain.stages.begin(), part->chain.stages.end());
    }
    return all;
  }
  /// Parameters of the meta's stages that it keeps.
  std::int64_t around() const { return prefix.chain.parameters() + suffix.chain.parameters(); }
};

void cost_spliced(const Job& job, at::TensorOptions tensor, JobCost& cost) {
  const auto shape = job.image_shape();
  const Hybrid own(job.meta, job,
                   make_distill_form(job.model, shape, job.stage, job.around(), tensor), tensor);
  // With drop-path in its frozen stages a job computes its own prefix.
  const bool shares = !job.train.frozen_drop_path;
  cost.chain = own.chain();
  if (shares) cost.prefix = own.prefix.chain.forward;
  cost.network = own.inner.chain.parameters();
  cost.trainable = own.inner.trainable;
  cost.meta = own.meta;
  cost.frozen = own.around();
  cost.activations = own.inner.activations + own.suffix.activations;
  cost.train = cost.chain.forward + own.inner.backward + own.suffix.pass_through;
  if (!job.train.objective.compares()) return;
  for (const auto& teacher : job.teachers) {
    // Teacher stages have no stitches. One with the job's own meta starts from the job's prefix.
    const Hybrid hybrid(
        teacher.meta, job,
        make_chain(teacher.model, shape, {teacher.meta, shape}, teacher.name, tensor, job.stage)
            .stages[static_cast<std::size_t>(job.stage)],
        tensor);
    const bool same = same_meta(teacher.meta, teacher.meta_weights, job.meta, job.meta_weights);
    cost.teachers.push_back(hybrid.chain());
    cost.train +=
        cost.teachers.back().forward - (same && shares ? hybrid.prefix.chain.forward : Flops{});
    cost.frozen += hybrid.inner.chain.parameters() + (same ? 0 : hybrid.around());
  }
}

void cost_whole(const Job& job, at::TensorOptions tensor, JobCost& cost) {
  const auto walk = [&](const ModelOptions& model, const std::vector<std::string>& patterns) {
    Walk w;
    w.patterns = patterns;
    const Chain chain =
        make_chain(model, job.image_shape(), {job.meta, job.image_shape()}, "model", tensor);
    w.trainable = trainable_count({"", {}, chain.shared}, patterns);
    for (const auto& stage : chain.stages) w.run(stage);
    w.chain.shared = parameter_count({"", {}, chain.shared});
    return w;
  };
  const Walk own = walk(job.model, job.train.trainable);
  cost.chain = own.chain;
  cost.network = own.chain.parameters();
  cost.trainable = own.trainable;
  cost.activations = own.activations;
  cost.train = own.chain.forward + own.backward;
  if (!job.train.objective.compares()) return;
  for (const auto& teacher : job.teachers) {
    cost.teachers.push_back(walk(teacher.model, {"all"}).chain);
    cost.train += cost.teachers.back().forward;
    cost.frozen += cost.teachers.back().parameters();
  }
}

/// Evaluations during training: after an epoch in which a multiple of it lies, and at the
/// end.
double epoch_evaluations(double every, std::int64_t steps, std::int64_t per_epoch) {
  if (every <= 0) return 0;
  const double whole = std::floor(static_cast<double>(steps) / static_cast<double>(per_epoch));
  const auto due = [&](double epochs) { return every < 1 ? epochs : std::floor(epochs / every); };
  const bool end_is_due = steps % per_epoch == 0 && due(whole) > due(whole - 1);
  return due(whole) + (end_is_due ? 0 : 1);
}

}  // namespace

JobCost job_cost(const Job& job) {
  const bool wide = job.train.precision == Precision::fp64;
  const auto tensor = at::TensorOptions(at::kMeta).dtype(wide ? at::kDouble : at::kFloat);
  JobCost cost;
  // bf16 trains single-precision parameters; its activations are smaller, which is left as reserve.
  cost.element_bytes = wide ? 8 : 4;
  job.spliced() ? cost_spliced(job, tensor, cost) : cost_whole(job, tensor, cost);

  const auto images = std::max<std::int64_t>(1, job.facts.train_images);
  const auto per_epoch = steps_per_epoch(job.data, images, job.train.batch);
  cost.steps = job.steps();
  cost.images = static_cast<double>(cost.steps * samples_per_step(images, job.train.batch));

  // The trained network, before its first step if it was assembled; every teacher's hybrid once
  // (whole teachers were scored where they were trained).
  double flops = 0;
  for (const auto& evaluation : job.evaluations) {
    const auto scored = static_cast<double>(evaluation.images);
    const double passes = (evaluation.end ? 1 : 0) + (evaluation.start && job.assembled() ? 1 : 0) +
                          epoch_evaluations(evaluation.epochs, cost.steps, per_epoch);
    flops += cost.chain.forward.executed * scored * passes;
    cost.eval_images += scored * passes;
    if (!evaluation.start || !job.spliced()) continue;
    for (const auto& hybrid : cost.teachers) {
      flops += hybrid.forward.executed * scored;
      cost.eval_images += scored;
    }
  }
  if (cost.eval_images > 0) cost.eval_flops = flops / cost.eval_images;
  return cost;
}

double job_disk(const Job& job) {
  // A module file, and two checkpoints of the parameters and two moments of each that trains.
  const auto& c = job.cost;
  return static_cast<double>(3 * c.network + 4 * c.trainable) * c.element_bytes;
}

}  // namespace m2mkd
