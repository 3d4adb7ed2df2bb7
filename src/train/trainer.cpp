#include <algorithm>
#include <memory>

#include <ATen/ATen.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/log.hpp>
#include <m2mkd/base/stop.hpp>
#include <m2mkd/base/stopwatch.hpp>
#include <m2mkd/comm/on_root.hpp>
#include <m2mkd/train/parameter_type.hpp>
#include <m2mkd/train/trainer.hpp>

#include "autocast.hpp"
#include "pack_step.hpp"
#include "scores.hpp"

namespace m2mkd {

namespace {

// The settings that make the batches, as "key = value".
std::vector<std::string> batch_settings(const Task& task) {
  std::vector<std::string> lines{fmt::format("seed = {}", task.seed)};
  const auto add = [&](const std::string& section, const auto& options, const auto& wanted) {
    const auto keys = std::decay_t<decltype(options)>::keys();
    for (const auto& key : keys.keys())
      if (wanted(key.name)) lines.push_back(section + key.name + " = " + key.print(options));
  };
  add("train.", task.options, [](const std::string& name) {
    return name == "batch" || name == "micro_batch" || name == "forward_micro_batches" ||
           name == "precision";
  });
  add("data.", task.data, [](const std::string& name) { return name != "loader_depth"; });
  lines.push_back(fmt::format("compat.ranks = {}", task.data.published_ranks));
  return lines;
}

void require_shared_batches(const std::vector<Task>& pack) {
  require(!pack.empty(), "a pack has at least one job");
  const auto first = batch_settings(pack.front());
  for (const auto& task : pack) {
    const auto own = batch_settings(task);
    for (std::size_t i = 0; i < own.size(); ++i)
      require(own[i] == first[i],
              fmt::format("jobs of a pack have the same batches: {} has {}, {} has {}",
                          pack.front().name, first[i], task.name, own[i]));
  }
}

// The images to train on, which are those that the task's files name.
Dataset open_training(const Task& task) {
  Dataset dataset(task.data, Split::train);
  if (const auto digest = text_or_empty(task.provenance, "data.digest"); !digest.empty())
    dataset.expect(digest);
  return dataset;
}

/// What several jobs have to be scored on at once.
struct Scorings {
  struct Share {
    JobRun* run;
    std::size_t first, count;
  };
  std::vector<Scoring> all;
  std::vector<Share> shares;

  void add(JobRun* run, std::vector<Scoring> of_run) {
    if (of_run.empty()) return;
    shares.push_back({run, all.size(), of_run.size()});
    std::ranges::move(of_run, std::back_inserter(all));
  }
};

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
  TrainLoader loader;
  std::int64_t position = -1;                 ///< step that the loader gives next; -1: none yet
  std::vector<std::unique_ptr<JobRun>> runs;  ///< jobs that are not published
  std::vector<JobRun*> training;              ///< those of them that make the next step
  EvaluationImages images;
  Stopwatch since_draw, since_status;
  log::ProgressLine line;

  Impl(const std::vector<Task>& pack, TrainContext where)
      : context(std::move(where)),
        loader(open_training(pack.front()), pack.front().data,
               loader_options(pack.front().options, pack.front().seed, context.group)) {
    for (const auto& task : pack)
      for (const auto& evaluation : task.evaluations) images.of(evaluation);
    for (const auto& task : pack)
      runs.push_back(std::make_unique<JobRun>(task, context, loader.steps_per_epoch(),
                                              loader.samples_per_step()));
  }

  bool root() const { return context.group.rank() == 0; }

  void restore();
  bool evaluate_start();
  bool score(const Scorings& scorings,
             const std::function<void(const Scorings::Share&, std::span<const Accuracy>,
                                      double seconds)>& record);
  bool settle();
  void gather();
  bool train_step();
  void fail_together(const std::vector<JobRun*>& failed);
  void report();
  void save(const std::function<bool(const JobRun&)>& due);
  void save_all();
  void stop();
};

void Trainer::Impl::restore() {
  for (const auto& run : runs) {
    context.beat("restoring " + run->task().name);
    if (run->restore()) log::info("{}: continues at step {}", run->task().name, run->step());
    run->write_status("training");
  }
}

// False when a stop was requested meanwhile; then nothing is recorded.
bool Trainer::Impl::score(
    const Scorings& scorings,
    const std::function<void(const Scorings::Share&, std::span<const Accuracy>, double)>& record) {
  if (scorings.all.empty()) return true;
  const Stopwatch watch;
  const auto accuracies = evaluate_pack(scorings.all, images, context);
  if (!accuracies) return false;
  const double seconds = watch.seconds() / static_cast<double>(scorings.shares.size());
  for (const auto& share : scorings.shares)
    record(share, std::span(*accuracies).subspan(share.first, share.count), seconds);
  return true;
}

bool Trainer::Impl::evaluate_start() {
  Scorings due;
  for (const auto& run : runs)
    if (run->start_due()) due.add(run.get(), start_scorings(run->task()));
  return score(due, [](const auto& share, auto accuracies, double seconds) {
    share.run->record_start(accuracies, seconds);
  });
}

// Everything that is due between two steps. False when a stop was requested meanwhile.
bool Trainer::Impl::settle() {
  if (std::ranges::none_of(runs, [](const auto& run) { return run->at_epoch_end(); })) return true;
  Scorings due, ended;
  for (const auto& run : runs) {
    if (!run->at_epoch_end()) continue;
    run->close_epoch();
    due.add(run.get(), run->due_scorings());
    if (run->at_end()) ended.add(run.get(), end_scorings(run->task(), run->task().chain));
  }
  // What is not finite is neither saved nor published: a job that ends is looked at in any case.
  save([](const JobRun& run) {
    return run.step() > 0 && run.at_epoch_end() && (run.at_end() || run.epoch_checkpoint_due());
  });
  const auto of = [](const Scorings& scorings, const auto& share) {
    return std::span(scorings.all).subspan(share.first, share.count);
  };
  const bool scored = score(due, [&](const auto& share, auto accuracies, double seconds) {
    share.run->record_evaluations(of(due, share), accuracies, seconds);
  });
  if (!scored) return false;
  const bool published = score(ended, [&](const auto& share, auto accuracies, double seconds) {
    share.run->finish(of(ended, share), accuracies, seconds);
  });
  if (!published) return false;
  std::erase_if(runs, [](const auto& run) { return run->at_end(); });
  return true;
}

// Who makes the next step.
void Trainer::Impl::gather() {
  std::int64_t least = runs.front()->step();
  for (const auto& run : runs) least = std::min(least, run->step());
  training.clear();
  for (const auto& run : runs)
    if (run->step() == least) training.push_back(run.get());
  if (least != position) loader.start(least);
  position = least;
}

// Jobs whose step is not finite, and must be: what is good of all jobs is saved, and all ranks of
// the group throw.
void Trainer::Impl::fail_together(const std::vector<JobRun*>& failed) {
  std::string text;
  save_all();
  for (JobRun* run : failed) {
    text += (text.empty() ? "" : "\n") + run->complaint();
    run->write_status("failed");
  }
  throw CollectiveError(text);
}

bool Trainer::Impl::train_step() {
  const Stopwatch watch;
  context.beat("training step");
  std::vector<double> sums = pack_gradients(
      training, loader.batches_per_step(), [this] { return loader.next(); }, context.device);
  ++position;
  // Decisions that all ranks must take alike ride on the same reduction: stop, checkpoint.
  sums.push_back(stop::requested() ? 1.0 : 0.0);
  for (const JobRun* run : training) sums.push_back(run->checkpoint_due() ? 1.0 : 0.0);
  context.group.sum(sums);
  const std::span<const double> decisions =
      std::span(sums).subspan(training.size() * JobRun::sum_count);
  const bool going = decisions[0] == 0;

  const auto updates = pack_update(training, sums, watch.seconds());
  std::vector<JobRun*> failed, returning;
  for (std::size_t i = 0; i < training.size(); ++i) {
    if (updates[i] == JobRun::Update::stop) failed.push_back(training[i]);
    if (updates[i] == JobRun::Update::restore) returning.push_back(training[i]);
  }
  if (!failed.empty()) fail_together(failed);
  if (!returning.empty()) {
    // The others wait for those that go back, and what they have must outlive that.
    save([&](const JobRun& run) { return std::ranges::find(returning, &run) == returning.end(); });
    for (JobRun* run : returning) run->go_back();
  }
  if (going && std::ranges::any_of(decisions.subspan(1), [](double due) { return due > 0; }))
    save([&](const JobRun& run) {
      const auto i = std::ranges::find(training, &run) - training.begin();
      return i < std::ssize(training) && decisions[static_cast<std::size_t>(i) + 1] > 0;
    });
  report();
  return going;
}

// Saves the jobs for which the root's `due` is true. Collective over the group. Throws
// CollectiveError where one of them is not finite; it is not saved, the others are.
void Trainer::Impl::save(const std::function<bool(const JobRun&)>& due) {
  std::string complaint;
  const std::string who = on_root(context.group, [&] {
    std::string marks;
    for (const auto& run : runs) {
      marks += due(*run) ? 's' : '-';
      if (marks.back() == '-') continue;
      const std::string bad = run->not_finite();
      if (!bad.empty()) marks.back() = 'x';
      complaint += (complaint.empty() || bad.empty() ? "" : "\n") + bad;
    }
    return marks;
  });
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (who[i] != 's') continue;
    context.beat("checkpoint");
    runs[i]->checkpoint();
  }
  if (who.find('x') != std::string::npos) throw CollectiveError(complaint);
}

void Trainer::Impl::save_all() {
  save([](const JobRun&) { return true; });
}

void Trainer::Impl::report() {
  if (!root()) return;
  const bool redraw = log::ProgressLine::interactive() && context.world.rank() == 0;
  if (redraw && since_draw.seconds() > 0.2) {
    line.show(training.front()->progress_text() +
              (training.size() > 1 ? fmt::format(" (+{} jobs)", training.size() - 1) : ""));
    since_draw.restart();
  }
  if (!redraw)
    for (JobRun* run : training)
      if (run->log_due()) log::info("{}", run->progress_text());
  if (since_status.seconds() > 10.0) {
    for (const JobRun* run : training) run->write_status("training");
    since_status.restart();
  }
}

void Trainer::Impl::stop() {
  if (root()) context.world.tell_stop();
  save_all();
  for (const auto& run : runs) run->write_status("stopped");
}

Trainer::Trainer(std::vector<Task> pack, TrainContext context) {
  require_shared_batches(pack);
  impl_ = std::make_unique<Impl>(pack, std::move(context));
}

Trainer::~Trainer() = default;

Outcome Trainer::run() {
  Impl& t = *impl_;
  t.restore();
  bool going = t.evaluate_start();
  // A job that may have to restore needs something to restore from its first step on.
  t.save([](const JobRun& run) {
    return run.step() == 0 && run.task().options.non_finite == NonFinite::restore;
  });
  while (going) {
    going = t.settle();
    if (!going || t.runs.empty()) break;
    t.gather();
    going = t.train_step();
  }
  t.line.done();
  if (going) return Outcome::finished;
  t.stop();
  return Outcome::stopped;
}

}  // namespace m2mkd
