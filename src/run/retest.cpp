#include <iterator>
#include <set>
#include <sstream>

#include <m2mkd/base/log.hpp>
#include <m2mkd/comm/on_root.hpp>
#include <m2mkd/run/heartbeat.hpp>
#include <m2mkd/run/prior_files.hpp>
#include <m2mkd/run/retest.hpp>
#include <m2mkd/train/evaluator.hpp>
#include <m2mkd/train/results.hpp>
#include <m2mkd/train/retest.hpp>

#include "job_state.hpp"

namespace m2mkd {

namespace {

// Jobs to be scored again, one a line with the names of the evaluations: "final.kd test ood". Root
// alone.
std::string due_evaluations(const JobList& list, const RunFolder& folder) {
  std::string lines;
  for (const auto& job : list.jobs) {
    const auto path = folder.module(job.name);
    if (!std::filesystem::exists(path)) continue;
    const TableFile module = read_table_file(path);
    std::string due;
    for (const auto& evaluation : job.evaluations) {
      const auto difference = test_difference(job, evaluation, module);
      if (difference.empty() || !same_training(job, folder, module.attributes)) continue;
      if (evaluation.name == "test")
        log::info("{}: was tested {}: it is tested again", job.name, difference);
      else
        log::info("{}: on {}, was scored {}: it is scored now", job.name, evaluation.name,
                  difference);
      due += " " + evaluation.name;
    }
    if (!due.empty()) lines += job.name + due + "\n";
  }
  return lines;
}

// Is there something to score before its first step?
bool has_start(const Job& job) {
  return job.assembled() || (job.spliced() && !job.teachers.empty());
}

}  // namespace

std::string test_difference(const Job& job, const Evaluation& evaluation, const TableFile& module) {
  const bool starts = evaluation.start && has_start(job);
  if (!evaluation.end && !starts) return {};  // scored during training, or not at all
  const Results results = read_results(module);
  const auto& name = evaluation.name;
  const Scored* then = results.find(name);
  const Result* start = results.find(name, "start_acc1");
  if (start == nullptr) start = results.find(name, "teacher_acc1");
  const Result* acc1 = evaluation.end ? results.find(name, "acc1") : start;
  if (then == nullptr || acc1 == nullptr) return "not yet";
  if (then->digest.empty() && !evaluation.digest.empty())
    return "by an earlier version, which did not record on what";
  const std::int64_t wanted =
      scored_images(evaluation.images, job.train.eval_batch, job.train.eval_drop_last);
  const bool published = results.find(name, "acc1_published") != nullptr;
  const bool start_missing = starts && start == nullptr;
  const bool same = then->digest == evaluation.digest && acc1->count == wanted && !start_missing &&
                    then->classes == evaluation.classes_text() &&
                    (!evaluation.end || published == job.train.published_meter);
  if (same) return {};
  return fmt::format("on {} (digest {}), {} of {} images scored{}{}", then->data, then->digest,
                     acc1->count, then->images, start_missing ? ", its start on another set" : "",
                     published ? ", with the published meter" : "");
}

std::string test_difference(const Job& job, const TableFile& module) {
  return test_difference(job, job.evaluations.front(), module);
}

bool retest_finished(const JobList& list, const Config& config, const RunFolder& folder,
                     const Session& session, Watchdog& watchdog) {
  const Communicator& world = session.world();
  std::istringstream lines(on_root(world, [&] { return due_evaluations(list, folder); }));
  TrainContext context;
  context.world = context.group = world;
  context.device = session.device();
  Heartbeat heart(world, watchdog);
  context.beat = [&](const std::string& what) { heart.beat(what); };
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name;
    words >> name;
    const Job& job = list.find(name);
    fit_priors({&job}, folder, world);
    Builder builder(folder, {}, world, context.device);
    Task task = builder.task(job, {{"config", config.text()}});
    const std::set<std::string> due{std::istream_iterator<std::string>(words), {}};
    std::erase_if(task.evaluations, [&](const auto& e) { return !due.contains(e.name); });
    const Chain finished = builder.finished(job, folder.module(name));
    if (!retest(task, finished, context)) return false;
  }
  return true;
}

}  // namespace m2mkd
