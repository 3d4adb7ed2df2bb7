// Does a pair learn?
#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/ranges.h>

#include <m2mkd/check/gates.hpp>
#include <m2mkd/comm/on_root.hpp>
#include <m2mkd/train/overfit.hpp>

namespace m2mkd {

namespace {

// Of what the loss could fall, the share that says nothing: a constant answer that fits the
// frequencies of 16 labels in 10 classes gets as far.
constexpr double blind_share = 0.15;

}  // namespace

Job check_form(const Job& pair, std::int64_t images) {
  Job form = pair;
  form.data = without_augmentation(pair.data);
  form.train.batch = std::min(images, std::max<std::int64_t>(1, pair.facts.train_images));
  form.train.micro_batch = std::min(pair.train.micro_batch, form.train.batch);
  form.train.forward_micro_batches = 0;
  form.train.frozen_drop_path = false;
  form.model.drop_path = form.meta.drop_path = 0;
  // Adam moves every weight alike, so an output moves with the number of its inputs.
  form.train.schedule.lr = std::min(1e-2, 0.25 / static_cast<double>(pair.model.width));
  form.cost = job_cost(form);
  return form;
}

void liven_frozen(const Task& task) {
  const c10::NoGradGuard no_grad;
  for (int i = 0; i < task.chain.size(); ++i) {
    if (std::ranges::count(task.trained, i) > 0) continue;
    for (const auto& p : task.chain.stages[static_cast<std::size_t>(i)]->parameters())
      if (p.tensor.dim() == 2 && p.initial.kind == Initial::Kind::normal)
        p.tensor.detach().mul_(
            1 / (p.initial.scale * std::sqrt(static_cast<double>(p.tensor.size(1)))));
  }
}

Finding check_pair(const Job& form, Task task, const TrainContext& context,
                   const CheckOptions& options) {
  const FixedStep step = fixed_step(form.data, form.train, form.seed, context.group);
  Overfit result;
  try {
    result = overfit(std::move(task), step, context, {options.steps, options.seconds});
  } catch (const c10::Error& error) {  // LibTorch found nothing to train, or shapes that do not fit
    if (context.group.size() > 1) throw;
    return {"pair", form.name, Verdict::wrong,
            std::string(error.what_without_backtrace()) + " [the stage does not train]"};
  }
  if (result.stopped) throw CollectiveError("check was stopped while it trained " + form.name);
  const auto found = [&](Verdict verdict, const std::string& text) {
    return Finding{
        "pair", form.name, verdict,
        fmt::format("loss {:.3f} -> {:.3f} (least: {:.3f}) in {} steps on {} images{}",
                    result.first, result.last, result.floor, result.steps, form.train.batch, text)};
  };
  if (!result.untrained.empty())
    return found(
        Verdict::wrong,
        fmt::format("; {} parameters get no gradient: {} [the stage does not train]",
                    result.untrained.size(),
                    fmt::join(std::span(result.untrained)
                                  .first(std::min<std::size_t>(3, result.untrained.size())),
                              ", ")));
  if (!std::isfinite(result.last))
    return found(Verdict::wrong, " is not finite [weights, images or precision]: try fp32");
  if (result.learnt()) return found(Verdict::ok, "");
  if (result.steps < options.steps)
    return found(Verdict::skipped, ": more seconds are needed for an answer (--seconds)");
  const std::string share = fmt::format(": {:.0f} % of what it could fall", 100 * result.fallen());
  if (result.fallen() < blind_share)
    return found(Verdict::wrong,
                 share +
                     " [the stage does not learn from its images]: look at frozen parameters, "
                     "stitches, and the files of meta and teacher");
  return found(Verdict::warning,
               share + " [it learns slowly, or little of its images]: try more --steps");
}

}  // namespace m2mkd
