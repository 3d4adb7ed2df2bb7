#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>

#include <ATen/ATen.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/log.hpp>
#include <m2mkd/base/stop.hpp>
#include <m2mkd/base/stopwatch.hpp>
#include <m2mkd/train/trainer.hpp>

#include "autocast.hpp"
#include "pack_step.hpp"

namespace m2mkd {

namespace {

void require_shared_batches(const std::vector<Task>& pack) {
  require(!pack.empty(), "a pack has at least one job");
  for (const auto& task : pack) {
    const auto &a = task.options, &b = pack.front().options;
    require(a.batch == b.batch && a.micro_batch == b.micro_batch && a.precision == b.precision &&
                task.seed == pack.front().seed,
            "jobs of a pack share batch, micro-batch, precision and seed");
  }
}

// Images per virtual rank and evaluation batch of the published NAC trainer: 1.5 times those of a
// training batch.
std::int64_t published_batch(const TrainOptions& options, const DataOptions& data) {
  if (!options.published_meter) return 0;
  const auto share = static_cast<double>(options.batch) / static_cast<double>(data.published_ranks);
  return std::max<std::int64_t>(1, std::llround(1.5 * share));
}

}  // namespace

LoaderOptions loader_options(const TrainOptions& options, std::uint64_t seed,
                             const Communicator& group) {
  LoaderOptions loader;
  loader.seed = seed;
  loader.batch = options.batch;
  loader.micro_batch = options.micro_batch;
  loader.forward_micro_batches = options.forward_micro_batches;
  loader.rank = group.rank();
  loader.ranks = group.size();
  loader.dtype = parameter_type(options.precision);
  return loader;
}

struct Trainer::Impl {
  TrainContext context;
  DataOptions data;
  TrainLoader loader;
  std::vector<std::unique_ptr<JobRun>> active;
  std::vector<Task> left;
  Dataset test;
  std::optional<Dataset> validation;
  Stopwatch since_checkpoint, since_log, since_status;
  log::ProgressLine line;

  Impl(const std::vector<Task>& pack, DataOptions options, TrainContext where)
      : context(std::move(where)),
        data(std::move(options)),
        loader(Dataset(data, Split::train), data,
               loader_options(pack.front().options, pack.front().seed, context.group)),
        test(data, Split::test) {
    if (data.validation_images > 0) validation.emplace(data, Split::validation);
    for (const auto& task : pack)
      active.push_back(std::make_unique<JobRun>(task, context, loader.steps_per_epoch(),
                                                loader.samples_per_step()));
  }

  bool root() const { return context.group.rank() == 0; }
  const TrainOptions& options() const { return active.front()->task().options; }

  void restore();
  bool train_step();
  bool settle();
  bool evaluate_start();
  std::optional<std::vector<Accuracy>> evaluate_on(const Dataset& dataset,
                                                   const std::vector<Chain>& chains);
  void report();
  void checkpoint();
  void leave(JobRun& run);
};

// The newest step that all jobs hold; the root reads, the others receive.
void Trainer::Impl::restore() {
  std::vector<TensorFile> files;
  if (root()) {
    for (const std::int64_t step : active.front()->checkpoint_steps()) {
      files.clear();
      for (const auto& run : active)
        if (auto file = run->read_checkpoint(step)) files.push_back(std::move(*file));
      if (files.size() == active.size()) break;
      files.clear();
    }
    for (std::size_t i = 0; i < files.size(); ++i) {
      const auto& mine = active[i]->task().provenance;
      if (mine.contains("identity") &&
          text_attribute(files[i].attributes, "identity") != text_attribute(mine, "identity"))
        fail("{}: its checkpoint belongs to other settings; use --run.redo or another --run.dir",
             active[i]->task().name);
    }
  }
  if (context.group.broadcast(files.empty() ? "" : "restore") == "restore") {
    for (std::size_t i = 0; i < active.size(); ++i)
      active[i]->restore(root() ? &files[i] : nullptr);
    for (const auto& run : active)
      log::info("{}: continues at step {}", run->task().name, run->step());
  }
  loader.start(active.front()->step());
}

std::optional<std::vector<Accuracy>> Trainer::Impl::evaluate_on(const Dataset& dataset,
                                                                const std::vector<Chain>& chains) {
  return evaluate(
      chains, EvalRequest{dataset, data, options().eval_batch, options().precision, context.group,
                          context.device, context.beat, options().eval_drop_last,
                          published_batch(options(), data)});
}

bool Trainer::Impl::evaluate_start() {
  std::vector<JobRun*> due;
  std::vector<Chain> chains;
  for (const auto& run : active)
    if (run->start_due()) {
      due.push_back(run.get());
      for (auto& chain : run->start_chains()) chains.push_back(std::move(chain));
    }
  if (due.empty()) return true;
  const Stopwatch watch;
  const auto accuracies = evaluate_on(test, chains);
  if (!accuracies) return false;
  std::size_t first = 0;
  for (JobRun* run : due) {
    const std::size_t count = run->start_chains().size();
    run->record_start(std::span(*accuracies).subspan(first, count),
                      watch.seconds() / static_cast<double>(due.size()));
    first += count;
  }
  return true;
}

// Everything that is due between two steps. False when a stop was requested meanwhile.
bool Trainer::Impl::settle() {
  if (!active.front()->at_epoch_end()) {
    const bool any_end = std::ranges::any_of(active, [](const auto& run) { return run->at_end(); });
    if (!any_end) return true;
  }
  const Stopwatch watch;
  std::vector<JobRun*> due, ended;
  std::vector<Chain> due_chains, ended_chains;
  for (const auto& run : active) {
    if (!run->at_epoch_end()) continue;
    run->close_epoch();
    if (run->evaluation_due()) {
      due.push_back(run.get());
      due_chains.push_back(run->task().chain);
    }
    if (run->at_end()) {
      ended.push_back(run.get());
      ended_chains.push_back(run->task().chain);
    }
  }
  if (active.front()->step() > 0 &&
      since_checkpoint.seconds() > std::min(5.0, options().checkpoint_seconds))
    checkpoint();
  if (!due.empty()) {
    const auto accuracies = evaluate_on(validation ? *validation : test, due_chains);
    if (!accuracies) return false;
    for (std::size_t i = 0; i < due.size(); ++i)
      due[i]->record_evaluation((*accuracies)[i],
                                watch.seconds() / static_cast<double>(due.size()));
  }
  if (!ended.empty()) {
    const Stopwatch final_watch;
    const auto accuracies = evaluate_on(test, ended_chains);
    if (!accuracies) return false;
    for (std::size_t i = 0; i < ended.size(); ++i)
      ended[i]->publish((*accuracies)[i],
                        final_watch.seconds() / static_cast<double>(ended.size()));
    std::erase_if(active, [](const auto& run) { return run->at_end(); });
  }
  return true;
}

void Trainer::Impl::leave(JobRun& run) {
  if (root())
    log::warn("{}: loss is not finite at step {}: restores its last checkpoint and goes on alone",
              run.task().name, run.step());
  left.push_back(run.task());
}

bool Trainer::Impl::train_step() {
  const Stopwatch watch;
  context.beat("training step");
  std::vector<double> sums = pack_gradients(
      active, loader.batches_per_step(), [this] { return loader.next(); }, context.device);
  // Decisions that all ranks must take alike ride on the same reduction: stop, checkpoint.
  if (context.world.stop_heard()) stop::request();
  sums.push_back(stop::requested() ? 1.0 : 0.0);
  sums.push_back(root() && since_checkpoint.seconds() > options().checkpoint_seconds ? 1.0 : 0.0);
  context.group.sum(sums);
  const bool stop = sums[sums.size() - 2] > 0, save = sums.back() > 0;

  const std::vector<JobRun*> leaving = pack_update(active, sums, watch.seconds());
  for (JobRun* run : leaving) leave(*run);
  std::erase_if(active,
                [&](const auto& run) { return std::ranges::count(leaving, run.get()) > 0; });
  if (active.empty()) return !stop;
  if (save && !stop) checkpoint();
  report();
  return !stop;
}

void Trainer::Impl::checkpoint() {
  context.beat("checkpoint");
  for (const auto& run : active) run->checkpoint();
  since_checkpoint.restart();
}

void Trainer::Impl::report() {
  if (!root()) return;
  const bool redraw = log::ProgressLine::interactive() && context.world.rank() == 0;
  if (redraw && since_log.seconds() > 0.2) {
    line.show(active.front()->progress_text() +
              (active.size() > 1 ? fmt::format(" (+{} jobs)", active.size() - 1) : ""));
    since_log.restart();
  } else if (!redraw && since_log.seconds() > options().log_seconds) {
    for (const auto& run : active) log::info("{}", run->progress_text());
    since_log.restart();
  }
  if (since_status.seconds() > 10.0) {
    for (const auto& run : active) run->write_status("training");
    since_status.restart();
  }
}

Trainer::Trainer(std::vector<Task> pack, DataOptions data, TrainContext context) {
  require_shared_batches(pack);
  impl_ = std::make_unique<Impl>(pack, std::move(data), std::move(context));
}

Trainer::~Trainer() = default;

PackResult Trainer::run() {
  Impl& t = *impl_;
  t.restore();
  for (const auto& run : t.active) run->write_status("training");
  // A job that may have to restore needs something to restore from its first step on.
  if (t.active.front()->step() == 0 && std::ranges::any_of(t.active, [](const auto& run) {
        return run->task().options.non_finite == NonFinite::restore;
      }))
    t.checkpoint();
  bool going = t.evaluate_start();
  while (going) {
    going = t.settle();
    if (!going || t.active.empty()) break;
    going = t.train_step();
    if (t.active.empty()) break;
  }
  t.line.done();
  if (going || t.active.empty())
    return {going ? Outcome::finished : Outcome::stopped, std::move(t.left)};
  t.checkpoint();
  for (const auto& run : t.active) run->write_status("stopped");
  if (t.root()) t.context.world.tell_stop();
  return {Outcome::stopped, std::move(t.left)};
}

}  // namespace m2mkd
