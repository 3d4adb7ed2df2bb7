#include <algorithm>
#include <cmath>
#include <ctime>

#include <m2mkd/base/error.hpp>
#include <m2mkd/report/run_status.hpp>
#include <m2mkd/run/plan_file.hpp>
#include <m2mkd/run/remaining.hpp>
#include <m2mkd/store/table_file.hpp>
#include <m2mkd/train/results.hpp>

namespace m2mkd {

namespace {

namespace fs = std::filesystem;

constexpr double silence = 120;  ///< seconds; a status is written every few seconds

// Seconds since 1970 of "2026-11-21T12:30:01Z"; NaN for any other text.
double seconds_of(const std::string& time) {
  std::tm parts{};
  const char* end = ::strptime(time.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return end != nullptr && *end == '\0' ? static_cast<double>(::timegm(&parts))
                                        : JobStatus::unknown;
}

// Runs `read`; what it throws becomes a line about the file. A run may be replacing it, so absence
// is none.
template <class Read>
void reading(const fs::path& path, std::vector<std::string>& problems, Read read) {
  if (!fs::exists(path)) return;
  try {
    read();
  } catch (const std::exception& problem) {
    problems.push_back(path.string() + ": " + problem.what());
  }
}

// All jobs in the order in which they run: those of the configuration, or, where it cannot be
// resolved (data out of reach), those that left a trace.
std::vector<std::string> job_names(const RunFolder& folder, const JobList& configured,
                                   std::vector<std::string>& problems) {
  std::vector<std::string> names;
  const auto add = [&](const std::string& name) {
    if (std::ranges::count(names, name) == 0) names.push_back(name);
  };
  for (const auto& job : configured.jobs) add(job.name);
  reading(folder.plan(), problems,
          [&] { std::ranges::for_each(read_plan_record(folder.plan()).jobs, add); });
  std::ranges::for_each(folder.traces(), add);
  return names;
}

void take_seconds_left(const JobList& list, const RunFolder& folder, const MachineOptions& machine,
                       RunStatus& run) {
  if (!fs::exists(folder.plan())) return;
  const int ranks = read_plan_record(folder.plan()).ranks;
  const double left =
      seconds_left(list, shares_left(list, folder), ranks, measured_machine(list, folder, machine));
  if (left > 0) run.seconds_left = left;
}

void take_status(const JobStatus& status, double now, LiveStatus& job) {
  static_cast<JobStatus&>(job) = status;
  job.age = now - seconds_of(status.time);
  if (job.state == "training" && job.step >= job.steps) job.state = "evaluating";
  const bool works = job.state == "training" || job.state == "evaluating";
  job.stale = works && job.age > silence;
  if (!works || !(job.images_per_s > 0)) job.eta_seconds = job.images_per_s = JobStatus::unknown;
  if (job.step == 0) job.loss = JobStatus::unknown;
}

// A published module has the last word, unless its job was taken up again after it (run.extend).
void take_module(const TableFile& module, double now, LiveStatus& job) {
  const Attributes& attributes = module.attributes;
  const Results results = read_results(module);
  const auto get = [&](const char* name) { return number_or_nan(attributes, name); };
  const double age = now - seconds_of(text_attribute(attributes, "created"));
  if (job.state != "waiting" && job.state != "finished" && job.age < age) return;
  job.state = "finished";
  job.stale = false;
  job.epoch = get("epochs");
  job.step = job.steps = get("steps");
  job.loss = results.value("test", "loss");
  job.acc1 = results.value("test", "acc1");
  const double seconds = get("seconds");
  job.images_per_s = seconds > 0 ? get("images") / seconds : JobStatus::unknown;
  job.eta_seconds = JobStatus::unknown;
  job.age = age;
  if (const double ranks = get("ranks"); !std::isnan(ranks))
    job.ranks = static_cast<std::int64_t>(ranks);
}

// The newest evaluation of a job that is not finished.
void take_metrics(const TableFile& metrics, LiveStatus& job) {
  const auto* epochs = metrics.find("epochs");
  if (epochs == nullptr) return;
  for (const auto& [name, column] : epochs->columns)
    if (const auto* values = std::get_if<std::vector<double>>(&column);
        name == "acc1" && values != nullptr)
      for (const double value : *values)
        if (!std::isnan(value)) job.acc1 = value;
}

LiveStatus job_status(const RunFolder& folder, const std::string& name, double now,
                      std::vector<std::string>& problems) {
  LiveStatus job;
  job.job = name;
  const auto status = folder.status(name), module = folder.module(name),
             metrics = folder.metrics(name);
  reading(status, problems, [&] { take_status(read_job_status(status), now, job); });
  job.job = name;
  reading(module, problems, [&] { take_module(read_table_file(module), now, job); });
  if (job.state == "finished" && !fs::exists(module))
    job.state = "waiting";  // its module was removed: it is trained anew
  if (job.state != "finished" && job.state != "waiting")
    reading(metrics, problems, [&] { take_metrics(read_table_file(metrics), job); });
  return job;
}

}  // namespace

int RunStatus::count(const std::string& state) const {
  return static_cast<int>(std::ranges::count(jobs, state, &JobStatus::state));
}

RunStatus read_run_status(const fs::path& dir, double now) {
  if (!fs::is_directory(dir))
    fail("'{}' is no run directory: there is no such folder", dir.string());
  const RunFolder folder{dir};
  if (!folder.holds_run())
    fail("'{}' is no run directory: it holds neither config.ini nor status nor modules",
         dir.string());
  RunStatus run;
  run.dir = dir;
  JobList list;
  try {
    const Config config = Config::read({folder.config()}, {});
    list = make_jobs(config);
    take_seconds_left(list, folder, config.machine, run);
  } catch (const std::exception&) {  // data out of reach
  }
  for (const auto& name : job_names(folder, list, run.problems))
    run.jobs.push_back(job_status(folder, name, now, run.problems));
  reading(folder.lock(), run.problems, [&] { run.holder = lock_holder(folder.lock()); });
  // Nobody works here: what says that it does was killed, or failed.
  if (run.holder.text.empty() || run.holder.gone)
    for (auto& job : run.jobs) {
      if (job.state != "training" && job.state != "evaluating") continue;
      job.state = "stopped";
      job.stale = false;
      job.eta_seconds = job.images_per_s = JobStatus::unknown;
    }
  return run;
}

}  // namespace m2mkd
