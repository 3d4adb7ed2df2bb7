#include "bench_rows.hpp"

#include <algorithm>

#include <m2mkd/data/loader.hpp>
#include <m2mkd/data/sampler.hpp>
#include <m2mkd/plan/cost.hpp>
#include <m2mkd/run/build.hpp>
#include <m2mkd/run/gemm.hpp>

namespace m2mkd {

namespace {

using Test = std::function<bool(const Job&)>;

const Job* first(const JobList& list, const Test& test) {
  const auto it = std::ranges::find_if(list.jobs, test);
  return it == list.jobs.end() ? nullptr : &*it;
}

// The job of the middle stage stands for its phase: first and last stages have an input or an
// output part of their own.
const Job* middle(const JobList& list, const Test& test) {
  return first(list,
               [&](const Job& job) { return job.stage == job.model.stages() / 2 && test(job); });
}

// As many images as a few forwards of a real evaluation hold on every rank.
std::int64_t evaluation_images(const Job& job, int ranks) {
  constexpr std::int64_t forwards = 4;
  return std::clamp<std::int64_t>(job.facts.test_images, 1,
                                  forwards * job.train.eval_batch * ranks);
}

StepTimes time_item(const BenchItem& item, const TrainContext& context,
                    const TimerOptions& options) {
  const Job& job = *item.jobs.front();
  if (item.kind == BenchItem::Kind::loading) {
    TrainLoader loader(Dataset(job.data, Split::train), job.data,
                       loader_options(job.train, job.seed, context.group));
    // The first batches may have been prepared while nobody waited.
    return time_loading(loader, context.group,
                        {options.seconds, options.warm_up + job.data.loader_depth});
  }
  Builder builder({}, {}, context.group, context.device, Weights::random);
  std::vector<Task> pack;
  for (const Job* each : item.jobs) {
    pack.push_back(builder.task(*each, {}));
    pack.back().options.batch = samples_per_step(each->facts.train_images, each->train.batch);
  }
  if (item.kind == BenchItem::Kind::training)
    return time_training(std::move(pack), job.image_shape(), context, options);
  return time_evaluation(pack.front().chain, job.image_shape(), job.train.precision,
                         evaluation_images(job, context.group.size()), job.train.eval_batch,
                         context, options);
}

}  // namespace

std::vector<BenchItem> bench_items(const JobList& list) {
  std::vector<BenchItem> items;
  const auto add = [&](BenchItem::Kind kind, const std::string& name, const Job* job) {
    if (job != nullptr) items.push_back({kind, name, {job}});
  };
  const auto training = BenchItem::Kind::training;
  const auto of = [](Phase phase, Role role) {
    return [=](const Job& job) { return job.phase == phase && job.role == role; };
  };
  const auto compared = [](const Job& job) { return !job.teachers.empty(); };

  const Job* pair =
      middle(list, [&](const Job& job) { return job.phase == Phase::distill && compared(job); });
  if (pair == nullptr) pair = middle(list, of(Phase::distill, Role::student));
  add(training, "pair", pair);
  if (pair != nullptr) {
    BenchItem pack{training, "pack", {}};
    for (const auto& job : list.jobs)
      if (job.phase == Phase::distill && job.scope == pair->scope && can_share(job, *pair))
        pack.jobs.push_back(&job);
    if (pack.jobs.size() > 1) items.push_back(std::move(pack));
  }
  add(training, "incubation", middle(list, of(Phase::incubate, Role::teacher)));
  add(training, "student_incubation", middle(list, of(Phase::incubate, Role::student)));
  add(training, "finetune", first(list, of(Phase::finetune, Role::teacher)));
  const Job* end_to_end = first(list, [](const Job& job) { return job.name == "final.e2e"; });
  if (end_to_end == nullptr)
    end_to_end =
        first(list, [&](const Job& job) { return job.phase == Phase::final && !compared(job); });
  add(training, "end_to_end", end_to_end);
  add(training, "kd",
      first(list, [&](const Job& job) { return job.phase == Phase::final && compared(job); }));
  const Job* student = first(list, of(Phase::final, Role::student));
  add(BenchItem::Kind::evaluation, "evaluation", student);
  if (student != nullptr && std::filesystem::exists(student->data.train))
    add(BenchItem::Kind::loading, "loading", student);
  return items;
}

BenchRow measure(const BenchItem& item, const Session& session, double seconds) {
  BenchRow row;
  row.item = item;
  TrainContext context;
  context.world = context.group = session.world();
  context.device = session.device();
  const Job& job = *item.jobs.front();
  if (item.kind != BenchItem::Kind::loading) {
    row.flops_per_image =
        item.kind == BenchItem::Kind::evaluation ? job.cost.eval_flops : pack_flops(item.jobs);
    // All ranks at once: cores may share their memory bandwidth and their clock's head-room.
    context.group.barrier();
    std::vector<double> rate{gemm_gflops(job.train.precision, context.device)};
    context.group.sum(rate);
    row.gemm_gflops = rate[0];
  }
  row.times = time_item(item, context, {seconds});
  return row;
}

}  // namespace m2mkd
