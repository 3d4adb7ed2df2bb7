#include "job_run.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/log.hpp>
#include <m2mkd/train/objective.hpp>
#include <m2mkd/train/schedule.hpp>

#include "autocast.hpp"

namespace m2mkd {

namespace {

std::vector<at::Tensor> tensors_of(const std::vector<Parameter>& parameters) {
  std::vector<at::Tensor> tensors;
  for (const auto& p : parameters) tensors.push_back(p.tensor);
  return tensors;
}

}  // namespace

JobRun::JobRun(Task task, const TrainContext& context, std::int64_t steps_per_epoch,
               std::int64_t samples_per_step)
    : task_(std::move(task)),
      context_(context),
      steps_per_epoch_(steps_per_epoch),
      samples_per_step_(samples_per_step),
      end_step_(steps_to_make(task_.options, steps_per_epoch)),
      active_(active_stages(task_)),
      frozen_stages_(active_.empty() ? 0 : *std::ranges::min_element(active_)),
      shared_stages_(task_.options.frozen_drop_path ? 0 : frozen_stages_),
      parameters_(make_trainable(task_)),
      gradients_(tensors_of(parameters_), context.group, task_.options.bucket_mb << 20),
      optimizer_(parameters_, task_.options),
      checkpoints_(task_.checkpoints),
      sums_(at::zeros({sum_count}, at::dtype(at::kDouble).device(context.device))) {}

double JobRun::lr(std::int64_t step) const {
  return learning_rate(schedule(task_.options), std::min(step, end_step_ - 1), steps_per_epoch_);
}

// Frozen stages run in evaluation mode, unless the published drop-path is asked for.
at::Tensor JobRun::forward(at::Tensor x, ForwardContext training, int first, int last) const {
  for (int i = first; i < last; ++i) {
    const bool trains = std::ranges::count(active_, i) > 0;
    ForwardContext frozen = training;
    frozen.training = task_.options.frozen_drop_path;
    frozen.regularisers = nullptr;
    x = task_.chain.forward(x, trains ? training : frozen, i, i + 1);
  }
  return x;
}

void JobRun::begin_step() {
  gradients_.zero();
  sums_.zero_();
  bad_images_ = at::Tensor();
}

void JobRun::forward_backward(const Batch& batch, const at::Tensor& images, PrefixCache& prefix,
                              bool last) {
  std::vector<at::Tensor> regularisers;
  const auto& options = task_.options;
  ForwardContext context;
  context.training = true;
  context.seed = task_.seed;
  context.step = static_cast<std::uint64_t>(progress_.step);
  context.first = batch.first;
  context.micro_batch = options.micro_batch;
  context.regularisers = &regularisers;
  if (!bad_images_.defined()) bad_images_ = images;

  at::Tensor loss;
  {
    const Autocast autocast(options.precision, context_.device);
    // The stage whose output the teachers' stages are compared with, where features are distilled.
    const int inner = frozen_stages_ + 1, stages = task_.chain.size();
    const bool features =
        options.objective.feature_weight > 0 && task_.trained.size() == 1 && inner < stages;
    at::Tensor probabilities;
    std::vector<at::Tensor> teacher_features;
    if (!task_.teachers.empty() && options.objective.compares()) {
      const c10::NoGradGuard no_grad;
      std::vector<at::Tensor> logits;
      for (const auto& teacher : task_.teachers) {
        const int shared = std::min(shared_stages_, common_stages(task_.chain, teacher));
        const at::Tensor output =
            teacher.forward(prefix.output(teacher, shared), ForwardContext{}, shared, inner);
        if (features) teacher_features.push_back(output);
        logits.push_back(teacher.forward(output, ForwardContext{}, inner));
      }
      probabilities = soften(logits, options.objective);
    }
    const at::Tensor output =
        forward(prefix.output(task_.chain, shared_stages_), context, shared_stages_, inner);
    const at::Tensor logits = forward(output, context, inner, stages);
    const Losses losses =
        objective(logits, batch.labels, batch.targets, probabilities, options.objective);
    at::Tensor sum = losses.loss;
    // A teacher of another width is compared by its logits alone.
    std::erase_if(teacher_features, [&](const auto& t) { return t.sizes() != output.sizes(); });
    for (const auto& wanted : teacher_features)
      sum = sum + options.objective.feature_weight / static_cast<double>(teacher_features.size()) *
                      feature_loss(output, wanted);
    for (const auto& term : regularisers) sum = sum + term;
    loss = sum / static_cast<double>(samples_per_step_);
    sums_[0] += sum.detach();
    sums_[1] += losses.ce;
    if (losses.kl.defined()) sums_[2] += losses.kl;
  }
  if (last) gradients_.overlap_last_backward();
  loss.backward();
}

std::array<double, JobRun::sum_count> JobRun::end_step_sums() {
  gradients_.finish();
  last_norm_ = gradients_.norm().item<double>();
  const at::Tensor host = sums_.to(at::kCPU);
  const auto* s = host.const_data_ptr<double>();
  return {s[0], s[1], s[2], std::isfinite(last_norm_) ? 0.0 : 1.0};
}

// Steps that were left out in a row, this one included, and in all, against their bounds.
std::string JobRun::too_many() const {
  const auto& options = task_.options;
  double row = 1, all = progress_.skipped_steps + 1;
  if (options.non_finite == NonFinite::restore) {
    all = static_cast<double>(skip_steps_.size());
    while (leaves_out(step() - static_cast<std::int64_t>(row))) ++row;
  } else {
    row += progress_.skipped_row;
  }
  if (row > static_cast<double>(options.non_finite_row))
    return fmt::format("{:.0f} steps in a row [train.non_finite_row = {}]", row,
                       options.non_finite_row);
  const double most =
      std::max(1.0, std::floor(options.non_finite_share * static_cast<double>(end_step_)));
  if (all > most)
    return fmt::format("{:.0f} of {} steps [train.non_finite_share = {}]", all, end_step_,
                       options.non_finite_share);
  return {};
}

JobRun::Update JobRun::update(std::span<const double> sums, double seconds, double share) {
  const auto& options = task_.options;
  const double rate = lr(step()), n = static_cast<double>(samples_per_step_);
  last_loss_ = sums[0] / n;
  const bool finite = std::isfinite(sums[0]) && sums[3] == 0;
  if (!finite && !leaves_out(step())) {
    if (options.non_finite == NonFinite::stop) return Update::stop;
    if (options.non_finite == NonFinite::restore) skip_steps_.push_back(step());
    too_many_ = too_many();
    if (!too_many_.empty()) return Update::stop;
    if (options.non_finite == NonFinite::restore) return Update::restore;
  }
  if (!finite || leaves_out(step())) {
    if (root())
      log::warn("{}: step {} is skipped [loss {}, gradient norm {}]", task_.name, step(),
                last_loss_, last_norm_);
    progress_.skipped_steps += 1;
    progress_.skipped_row += 1;
  } else {
    const bool mixed = options.precision == Precision::bf16;
    const bool clips = options.clip_grad > 0 && (mixed || !options.clip_mixed_only);
    if (clips && last_norm_ > options.clip_grad)
      gradients_.scale(options.clip_grad / (last_norm_ + 1e-6));
    optimizer_.step(rate);
    progress_.skipped_row = 0;
    progress_.updates += 1;
    progress_.loss += sums[0];
    progress_.ce += sums[1];
    progress_.kl += sums[2];
    progress_.samples += n;
  }
  if (options.log_steps && root())
    Records::append(records_.steps, {{"step", progress_.step},
                                     {"loss", last_loss_},
                                     {"ce", sums[1] / n},
                                     {"kl", sums[2] / n},
                                     {"lr", rate},
                                     {"grad_norm", last_norm_}});
  progress_.step += 1;
  progress_.images += n;
  progress_.seconds += share;
  progress_.epoch_seconds += share;
  progress_.rank_seconds += share * context_.group.size();
  // The jobs of a pack go together, so their rate is that of the pack's step.
  recent_rate_ = recent_rate_ == 0 ? n / seconds : 0.95 * recent_rate_ + 0.05 * n / seconds;
  return Update::done;
}

std::string JobRun::non_finite_stage() const {
  if (!bad_images_.defined()) return {};  // this rank had no micro-batch
  const c10::NoGradGuard no_grad;
  at::Tensor x = bad_images_;
  if (!x.isfinite().all().item<bool>()) return "the images are not finite";
  for (int i = 0; i < task_.chain.size(); ++i) {
    x = task_.chain.forward(x, ForwardContext{}, i, i + 1);
    if (!x.isfinite().all().item<bool>())
      return fmt::format("stage {} gives the first value that is not finite", i);
  }
  return {};
}

std::string JobRun::complaint() const {
  std::string where = "all stages are finite on the ranks' first micro-batches";
  for (const auto& text : context_.group.all_gather(non_finite_stage()))
    if (!text.empty()) {
      where = text;
      break;
    }
  const std::string kept =
      saved_step_ >= 0 ? fmt::format("The newest good checkpoint is that of step {}", saved_step_)
                       : "There is no good checkpoint: the next start begins at step 0";
  const std::string often = too_many_.empty() ? "" : fmt::format(", as were {}", too_many_);
  return fmt::format(
      "{}: loss {} with gradient norm {} at step {} is not finite{} [{}]. {}. Try a smaller lr, "
      "clip_grad = 1{}",
      task_.name, last_loss_, last_norm_, step(), often, where, kept,
      task_.options.non_finite == NonFinite::stop ? ", or train.non_finite = skip or restore" : "");
}

void JobRun::close_epoch() {
  if (progress_.closed_step == progress_.step || progress_.step == 0) return;
  progress_.closed_step = progress_.step;
  const double n = std::max(progress_.samples, 1.0), nan = std::numeric_limits<double>::quiet_NaN();
  if (root())
    Records::append(
        records_.epochs,
        {{"epoch", epoch()},
         {"loss", progress_.loss / n},
         {"ce", progress_.ce / n},
         {"kl", progress_.kl / n},
         {"acc1", nan},
         {"acc5", nan},
         {"lr", lr(step() - 1)},
         {"images_per_s", progress_.samples / std::max(progress_.epoch_seconds, 1e-9)}});
  progress_.loss = progress_.ce = progress_.kl = progress_.samples = progress_.epoch_seconds = 0;
}

std::vector<Scoring> JobRun::due_scorings() const {
  std::vector<Scoring> due;
  if (step() == 0 || progress_.evaluated_step == progress_.step || !at_epoch_end()) return due;
  // Due when an integer multiple of `epochs` lies in the epoch that just ended.
  const double before = static_cast<double>(step() - 1) / static_cast<double>(steps_per_epoch_);
  for (const auto& evaluation : task_.evaluations) {
    const double every = evaluation.epochs;
    if (every > 0 &&
        (at_end() || std::floor(epoch() / every) > std::floor(std::floor(before) / every)))
      due.push_back({&task_, &evaluation, task_.chain});
  }
  return due;
}

}  // namespace m2mkd
