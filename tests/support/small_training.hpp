#pragma once
// Tiny trainings: networks, jobs as a recipe would make them, and what differs between two runs.

#include <cmath>
#include <functional>

#include <ATen/ATen.h>

#include <m2mkd/nn/family.hpp>
#include <m2mkd/nn/initialise.hpp>
#include <m2mkd/nn/moe.hpp>
#include <m2mkd/store/table_file.hpp>
#include <m2mkd/train/trainer.hpp>

#include "support/small_data.hpp"

namespace m2mkd::test {

inline const ImageShape kSmallShape{1, 8, 4};

inline ModelOptions small_model(const Family* name, std::int64_t width) {
  ModelOptions o;
  o.model = name;
  o.width = width;
  o.heads = 2;
  o.patch = 4;
  o.depths = {1, 1, 1};
  o.own<VmoeOptions>().experts = 3;
  return o;
}

/// The networks of one run. Jobs made from one object share its frozen stages, as in a pack.
struct Networks {
  Chain meta, teacher, student;  ///< student: the stages in their distill forms, with stitches

  explicit Networks(Precision precision = Precision::fp64) {
    const auto type = precision == Precision::fp64 ? at::kDouble : at::kFloat;
    auto student_model = small_model(family("vmoe"), 8);
    student_model.drop_path = 0.2;
    meta = make_chain(small_model(family("vit"), 16), kSmallShape, 16, "meta", type);
    teacher = make_chain(small_model(family("vit"), 16), kSmallShape, 16, "teacher", type);
    student.role = "student";
    for (int i = 0; i < 3; ++i)
      student.stages.push_back(make_distill_form(student_model, kSmallShape, i, 16, type));
    for (const Chain* chain : {&meta, &teacher, &student}) initialise(*chain, 3);
  }
};

inline TrainOptions small_options(double epochs, Precision precision = Precision::fp64) {
  TrainOptions o;
  o.schedule.epochs = epochs;
  o.schedule.warmup_share = 0.1;
  o.batch = 16;
  o.micro_batch = 4;
  o.clip_grad = 1;
  o.precision = precision;
  o.log_steps = true;
  o.log_seconds = 1e9;
  o.eval_batch = 8;
  o.eval_epochs = 1;
  return o;
}

inline Task small_task(const std::string& name, Chain chain, std::vector<int> trained,
                       const TrainOptions& options, const std::filesystem::path& run) {
  Task task;
  task.name = name;
  task.phase = name.substr(0, name.find('.'));
  task.chain = std::move(chain);
  task.trained = std::move(trained);
  task.options = options;
  task.seed = 5;
  task.evaluate_start = true;
  task.module_file = run / "modules" / (name + ".h5");
  task.checkpoints = run / "checkpoints" / name;
  task.metrics_file = run / "metrics" / (name + ".h5");
  task.status_file = run / "status" / (name + ".json");
  task.provenance["identity"] = "job = " + name + "\n";
  return task;
}

/// Student stage `i` inside the meta, compared with the teacher's.
inline Task distill_task(const Networks& networks, int i, const TrainOptions& options,
                         const std::filesystem::path& run) {
  const auto index = static_cast<std::size_t>(i);
  Task task =
      small_task("distill." + std::to_string(i),
                 splice(networks.meta, i, networks.student.stages[index]), {i}, options, run);
  task.teachers = {splice(networks.meta, i, networks.teacher.stages[index])};
  task.evaluate_teachers = true;
  return task;
}

/// All three pairs, sharing the meta.
inline std::vector<Task> distill_tasks(const TrainOptions& options,
                                       const std::filesystem::path& run) {
  const Networks networks(options.precision);
  std::vector<Task> tasks;
  for (int i = 0; i < 3; ++i) tasks.push_back(distill_task(networks, i, options, run));
  return tasks;
}

/// What it learns from and is scored on.
inline void give_data(Task& task, const DataOptions& data) {
  std::vector<std::string> problems;
  task.data = data;
  task.evaluations = own_evaluations(data, data_facts(data, problems), task.options.eval_epochs);
}

using Beat = std::function<void(const std::string& what)>;

inline Outcome train(
    std::vector<Task> pack, const DataOptions& data, const Communicator& group = {},
    Beat beat = [](const std::string&) {}) {
  TrainContext context;
  context.world = context.group = group;
  context.beat = std::move(beat);
  for (auto& task : pack) give_data(task, data);
  return Trainer(std::move(pack), context).run();
}

inline NamedTensors module_tensors(const std::filesystem::path& run, const std::string& job) {
  return read_tensor_file(run / "modules" / (job + ".h5")).tensors;
}

inline std::vector<double> metrics(const std::filesystem::path& run, const std::string& job,
                                   const std::string& group, const std::string& column) {
  const auto file = read_table_file(run / "metrics" / (job + ".h5"));
  if (const TableGroup* table = file.find(group))
    for (const auto& [name, values] : table->columns)
      if (name == column) return std::get<std::vector<double>>(values);
  return {};
}

/// Largest difference, as a share of the largest value; 0 only where all bits are the same.
inline double relative_difference(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes() || a.numel() == 0) return INFINITY;
  const auto x = a.to(at::kDouble).nan_to_num(1e300), y = b.to(at::kDouble).nan_to_num(1e300);
  if (at::equal(x, y)) return 0;
  return ((x - y).abs().max() / y.abs().max()).item<double>();
}

/// What two runs left of a job and does not agree to `tolerance` (0: bit for bit): tensors,
/// accuracies, counts, and all columns. Times are left out.
inline std::vector<std::string> differences(const std::filesystem::path& a,
                                            const std::filesystem::path& b, const std::string& job,
                                            double tolerance = 0) {
  std::vector<std::string> found;
  const auto compare = [&](const std::string& what, const at::Tensor& x, const at::Tensor& y) {
    if (const double d = relative_difference(x, y); !(d <= tolerance))
      found.push_back(fmt::format("{} {}: {}", job, what, d));
  };
  const auto x = module_tensors(a, job), y = module_tensors(b, job);
  if (x.empty() || x.size() != y.size()) return {job + ": other tensors"};
  for (std::size_t i = 0; i < x.size(); ++i) compare(x[i].first, x[i].second, y[i].second);

  const auto p = read_attributes(a / "modules" / (job + ".h5")),
             q = read_attributes(b / "modules" / (job + ".h5"));
  for (const auto* name : {"acc1", "acc5", "loss", "start_acc1", "start_loss", "teacher_acc1",
                           "best_acc1", "best_epoch", "steps", "images", "trainable_parameters"})
    if (q.contains(name))
      compare(name, at::scalar_tensor(number_attribute(p, name), at::kDouble),
              at::scalar_tensor(number_attribute(q, name), at::kDouble));

  const auto tensor = [](const std::vector<double>& values) {
    return at::tensor(values, at::kDouble);
  };
  for (const auto* name : {"epoch", "loss", "ce", "kl", "acc1", "acc5", "lr"})
    compare(name, tensor(metrics(a, job, "epochs", name)), tensor(metrics(b, job, "epochs", name)));
  for (const auto* name : {"step", "loss", "ce", "kl", "lr", "grad_norm"})
    compare(name, tensor(metrics(a, job, "steps", name)), tensor(metrics(b, job, "steps", name)));
  return found;
}

}  // namespace m2mkd::test
