// What a job records and writes.
#include <algorithm>
#include <chrono>
#include <cmath>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <sys/resource.h>

#include <m2mkd/base/log.hpp>
#include <m2mkd/train/completion.hpp>
#include <m2mkd/train/job_status.hpp>
#include <m2mkd/train/schedule.hpp>
#include <m2mkd/train/trainable.hpp>

#include "job_run.hpp"

namespace m2mkd {

namespace {

double peak_memory_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024.0;
}

}  // namespace

void JobRun::record_evaluations(std::span<const Scoring> scorings,
                                std::span<const Accuracy> accuracies, double seconds) {
  progress_.evaluated_step = progress_.step;
  progress_.eval_seconds += seconds;
  if (!root()) return;
  for (std::size_t i = 0; i < scorings.size(); ++i) {
    const Evaluation& on = *scorings[i].evaluation;
    const Accuracy& accuracy = accuracies[i];
    const std::string prefix = of_data_section(on.name) ? "" : on.name + ".";
    Records::complete(records_.epochs,
                      {{prefix + "acc1", accuracy.acc1}, {prefix + "acc5", accuracy.acc5}});
    const double best = records_.results.value(on.name, "best_acc1");
    if (!(best >= accuracy.acc1)) record_best(records_.results, scorings[i], accuracy, epoch());
    log::info("{}: epoch={:.4g} acc1={:.2f} acc5={:.2f}{}", task_.name, epoch(), accuracy.acc1,
              accuracy.acc5, on_text(on));
  }
}

void JobRun::record_start(std::span<const Accuracy> accuracies, double seconds) {
  progress_.start_done = 1;
  progress_.eval_seconds += seconds;
  if (root()) m2mkd::record_start(records_.results, task_, accuracies);
}

bool JobRun::log_due() {
  if (since_log_.seconds() <= task_.options.log_seconds) return false;
  since_log_.restart();
  return true;
}

void JobRun::write_metrics() const {
  if (!root() || task_.metrics_file.empty()) return;
  TableFile file;
  file.attributes = task_.provenance;
  for (const TableGroup* table : {&records_.epochs, &records_.steps})
    if (!table->columns.empty()) file.groups.push_back(*table);
  write_table_file(task_.metrics_file, file);
}

void JobRun::finish(std::span<const Scoring> scorings, std::span<const Accuracy> accuracies,
                    double seconds) {
  progress_.eval_seconds += seconds;
  if (!root()) return;
  auto& results = records_.results;
  std::vector<TableGroup> experts;
  for (std::size_t i = 0; i < scorings.size(); ++i) {
    record(results, scorings[i], accuracies[i]);
    if (scorings[i].evaluation->name == "test" && !accuracies[i].expert_load.empty())
      experts.push_back(expert_table(accuracies[i]));
  }

  TensorFile file;
  const Chain part = trained_part(task_);
  file.attributes = task_.provenance;
  file.attributes.insert({{"job", task_.name}, {"phase", task_.phase}});
  file.attributes.insert(records_.attributes.begin(), records_.attributes.end());
  add_attributes(results, file.attributes);
  file.attributes["steps"] = step();
  file.attributes["schedule_steps"] = total_steps(task_.options.schedule, steps_per_epoch_);
  file.attributes["epochs"] = epoch();
  file.attributes["images"] = progress_.images;
  file.attributes["seconds"] = progress_.seconds;
  file.attributes["rank_seconds"] = progress_.rank_seconds;
  file.attributes["eval_seconds"] = progress_.eval_seconds;
  file.attributes["flops"] = progress_.images * task_.flops_per_image;
  file.attributes["skipped_steps"] = static_cast<std::int64_t>(progress_.skipped_steps);
  file.attributes["restores"] = static_cast<std::int64_t>(progress_.restores);
  file.attributes["ranks"] = static_cast<std::int64_t>(context_.group.size());
  file.attributes["threads"] = static_cast<std::int64_t>(at::get_num_threads());
  file.attributes["trainable_parameters"] = trainable_count(part, task_.options.trainable);
  file.attributes["peak_memory"] = peak_memory_bytes();
  file.attributes["finished"] = std::int64_t{1};
  file.attributes["finished_at"] =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  file.tensors = state(part);
  file.tables = results.tables();

  // A job that stops before its schedule's end keeps its checkpoint, so that it can go on.
  const bool whole = step() >= total_steps(task_.options.schedule, steps_per_epoch_);
  const bool keep = !whole || task_.options.keep_checkpoints;
  file.attributes["checkpoint_kept"] = std::int64_t{keep};
  // The module file comes last: with it the job is finished, and a start that finds it has nothing
  // left to write but what complete() does.
  TableFile metrics;
  metrics.attributes = file.attributes;
  metrics.attributes["module_digest"] = tensors_digest(file.tensors);  // a second witness
  for (const TableGroup* table : {&records_.epochs, &records_.steps})
    if (!table->columns.empty()) metrics.groups.push_back(*table);
  for (const auto* tables : {&file.tables, &experts})
    metrics.groups.insert(metrics.groups.end(), tables->begin(), tables->end());
  if (!task_.metrics_file.empty()) write_table_file(task_.metrics_file, metrics);
  write_tensor_file(task_.module_file, file);
  complete({file.attributes, file.tables}, task_.checkpoints, task_.status_file);
  log::info("{}: finished step={} acc1={:.2f} acc5={:.2f} loss={:.4f} seconds={:.1f}", task_.name,
            step(), results.value("test", "acc1"), results.value("test", "acc5"),
            results.value("test", "loss"), progress_.seconds);
  for (std::size_t i = 0; i < scorings.size(); ++i)
    if (const Evaluation& on = *scorings[i].evaluation; !of_data_section(on.name))
      log::info("{}: acc1={:.2f} acc5={:.2f} loss={:.4f}{}", task_.name, accuracies[i].acc1,
                accuracies[i].acc5, accuracies[i].loss, on_text(on));
}

std::string JobRun::progress_text() const {
  const double left =
      static_cast<double>(end_step_ - step()) * static_cast<double>(samples_per_step_);
  return fmt::format(
      "job={} epoch={:.2f}/{:.4g} step={}/{} loss={:.4f} lr={:.3g} img/s={:.0f} eta={}", task_.name,
      epoch(), static_cast<double>(end_step_) / static_cast<double>(steps_per_epoch_), step(),
      end_step_, last_loss_, lr(step()), recent_rate_,
      duration_text(recent_rate_ > 0 ? left / recent_rate_ : 0));
}

void JobRun::write_status(const std::string& state) const {
  if (!root() || task_.status_file.empty()) return;
  const double left =
      static_cast<double>(end_step_ - step()) * static_cast<double>(samples_per_step_);
  write_job_status(task_.status_file, {.job = task_.name,
                                       .phase = task_.phase,
                                       .state = state,
                                       .epoch = epoch(),
                                       .step = progress_.step,
                                       .steps = static_cast<double>(end_step_),
                                       .loss = last_loss_,
                                       .lr = lr(step()),
                                       .acc1 = records_.results.value("test", "acc1"),
                                       .images_per_s = recent_rate_,
                                       .eta_seconds = recent_rate_ > 0 ? left / recent_rate_ : 0.0,
                                       .ranks = context_.group.size(),
                                       .time = {}});
}

}  // namespace m2mkd
