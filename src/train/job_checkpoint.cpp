// A job's checkpoints: what is kept of it between two starts.
#include <algorithm>
#include <utility>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/log.hpp>
#include <m2mkd/comm/on_root.hpp>
#include <m2mkd/config/value.hpp>
#include <m2mkd/nn/load.hpp>
#include <m2mkd/train/identity.hpp>

#include "job_run.hpp"

namespace m2mkd {

std::string JobRun::not_finite() const {
  if (!root()) return {};
  auto bad = first_not_finite(state(trained_part(task_)));
  if (bad.empty()) bad = first_not_finite(optimizer_.state());
  if (bad.empty()) return bad;
  const std::string kept =
      saved_step_ >= 0 ? fmt::format("the newest good checkpoint is that of step {}", saved_step_)
                       : "there is no good checkpoint: the next start begins at step 0";
  return fmt::format("{}: after step {} {}; nothing of it was written, {}. Try a smaller lr",
                     task_.name, step() - 1, bad, kept);
}

void JobRun::checkpoint() {
  since_checkpoint_.restart();
  if (std::exchange(saved_step_, step()) == step() || !root()) return;
  TensorFile file;
  file.attributes = task_.provenance;
  file.tensors = state(active_part(task_));
  for (auto& tensor : optimizer_.state()) file.tensors.push_back(std::move(tensor));
  save(progress_, records_, file);
  if (!skip_steps_.empty()) file.attributes["progress.skip_steps"] = print_value(skip_steps_);
  checkpoints_.save(step(), file);
  write_metrics();
}

// Root alone. Throws Error where the newest usable one is of other settings.
std::optional<TensorFile> JobRun::newest_checkpoint() const {
  std::int64_t newest = -1;
  for (const std::int64_t step : checkpoints_.steps()) try {
      TensorFile file = checkpoints_.load(step);
      const auto& mine = task_.provenance;
      if (mine.contains("identity") &&
          !identity_differences(text_attribute(file.attributes, "identity"),
                                text_attribute(mine, "identity"))
               .empty())
        throw Error(fmt::format("{}: its checkpoint belongs to other settings; use --run.redo or "
                                "another --run.dir",
                                task_.name),
                    ExitCode::usage);
      if (newest >= 0)
        log::warn("{}: steps {} to {} are lost and trained again", task_.name, step, newest - 1);
      return file;
    } catch (const Error& problem) {
      if (problem.code() == ExitCode::usage) throw;
      log::warn("{}: its checkpoint of step {} cannot be used and is set aside [{}]", task_.name,
                step, problem.what());
      checkpoints_.set_aside(step);
      newest = std::max(newest, step);
    }
  if (newest >= 0)
    log::warn("{}: no checkpoint is left: steps 0 to {} are lost and trained again", task_.name,
              newest - 1);
  return std::nullopt;
}

bool JobRun::restore() {
  std::optional<TensorFile> file;
  const auto found = on_root(context_.group, [&] {
    file = newest_checkpoint();
    return std::string(file ? "found" : "");
  });
  if (found.empty()) return false;
  receive(file ? &*file : nullptr);
  saved_step_ = step();
  return true;
}

void JobRun::go_back() {
  const auto left_out = skip_steps_;
  const double restores = progress_.restores + 1;
  const auto from = step();
  if (!restore())
    throw CollectiveError(root() ? task_.name + ": its checkpoints are gone, so it cannot restore"
                                 : std::string());
  for (const auto step : left_out)
    if (!leaves_out(step)) skip_steps_.push_back(step);
  progress_.restores = restores;
  if (root())
    log::warn(
        "{}: step {} is not finite [loss {}, gradient norm {}]: back to step {}, and it is "
        "left out from now on",
        task_.name, from, last_loss_, last_norm_, step());
  saved_step_ = -1;  // what is left out is part of the checkpoint
  checkpoint();
}

// What was scored on other images than today's does not count. Accuracies before training cannot be
// measured any more: when the job is finished it is tested again (run/retest).
void JobRun::forget_other_sets() {
  auto& [evaluations, rows] = records_.results;
  std::erase_if(evaluations, [&](const Scored& then) {
    const auto now = std::ranges::find(task_.evaluations, then.evaluation, &Evaluation::name);
    if (now != task_.evaluations.end() && now->digest == then.digest) return false;
    if (now != task_.evaluations.end())
      log::warn("{}: its checkpoint was made with other images of '{}' than today's", task_.name,
                then.evaluation);
    std::erase_if(rows, [&](const auto& row) { return row.evaluation == then.evaluation; });
    return true;
  });
}

// `file` is given on the root only; the others receive from it.
void JobRun::receive(const TensorFile* file) {
  std::string left_out;
  if (file != nullptr) {
    NamedTensors weights;
    for (const auto& tensor : file->tensors)
      if (is_weight(tensor.first)) weights.push_back(tensor);
    m2mkd::load(active_part(task_), weights, task_.name + "'s checkpoint");
    load(progress_, records_, *file);
    forget_other_sets();
    optimizer_.load(file->tensors, static_cast<std::int64_t>(progress_.updates));
    if (file->attributes.contains("progress.skip_steps"))
      left_out = text_attribute(file->attributes, "progress.skip_steps");
  }
  left_out = context_.group.broadcast(left_out);
  skip_steps_ = left_out.empty() ? std::vector<std::int64_t>()
                                 : parse_value<std::vector<std::int64_t>>(left_out);
  const c10::NoGradGuard no_grad;
  for (const auto& parameter : parameters_) context_.group.broadcast(parameter.tensor.detach());
  NamedTensors moments = optimizer_.state();
  for (const auto& [name, tensor] : moments) context_.group.broadcast(tensor);
  auto fields = progress_.fields();
  const at::Tensor numbers = at::empty({static_cast<std::int64_t>(fields.size())}, at::kDouble);
  auto* values = numbers.mutable_data_ptr<double>();
  for (std::size_t i = 0; i < fields.size(); ++i) values[i] = *fields[i].second;
  context_.group.broadcast(numbers);
  for (std::size_t i = 0; i < fields.size(); ++i) *fields[i].second = values[i];
  optimizer_.load(moments, static_cast<std::int64_t>(progress_.updates));
}

}  // namespace m2mkd
