#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <ctime>
#include <set>
#include <sstream>

#include <nlohmann/json.hpp>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/report/run_status.hpp>
#include <m2mkd/run/remaining.hpp>
#include <m2mkd/store/table_file.hpp>
#include <m2mkd/store/text_file.hpp>
#include <m2mkd/train/results.hpp>

namespace m2mkd {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr double silence = 120;       ///< seconds; a status is written every few seconds
constexpr double lock_silence = 600;  ///< seconds; a lock is touched every half minute

// Seconds since 1970 of "2026-11-21T12:30:01Z"; NaN for any other text.
double seconds_of(const std::string& time) {
  std::tm parts{};
  const char* end = ::strptime(time.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return end != nullptr && *end == '\0' ? static_cast<double>(::timegm(&parts))
                                        : JobStatus::unknown;
}

// Stems of the files with this suffix, sorted.
std::vector<std::string> stems(const fs::path& folder, const std::string& suffix) {
  std::vector<std::string> names;
  std::error_code absent;
  for (const auto& entry : fs::directory_iterator(folder, absent))
    if (entry.path().extension() == suffix) names.push_back(entry.path().stem().string());
  std::ranges::sort(names);
  return names;
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
std::vector<std::string> job_names(const fs::path& dir, const JobList& configured,
                                   std::vector<std::string>& problems) {
  std::vector<std::string> names;
  const auto add = [&](const std::string& name) {
    if (std::ranges::count(names, name) == 0) names.push_back(name);
  };
  for (const auto& job : configured.jobs) add(job.name);
  reading(dir / "plan.json", problems, [&] {
    const Json plan = Json::parse(read_text_file(dir / "plan.json"));
    for (const auto& wave : plan.at("waves"))
      for (const auto& group : wave.at("groups"))
        for (const auto& pack : group.at("packs"))
          for (const auto& job : pack.at("jobs")) add(job.get<std::string>());
  });
  for (const auto& name : stems(dir / "modules", ".h5")) add(name);
  for (const auto& name : stems(dir / "status", ".json")) add(name);
  return names;
}

void take_seconds_left(const JobList& list, const MachineOptions& machine, RunStatus& run) {
  const auto plan = run.dir / "plan.json";
  if (!fs::exists(plan)) return;
  const int ranks = Json::parse(read_text_file(plan)).value("ranks", 1);
  const RunFolder folder{run.dir};
  const double left =
      seconds_left(list, shares_left(list, folder), ranks, measured_machine(list, folder, machine));
  if (left > 0) run.seconds_left = left;
}

double number(const Json& json, const char* name) {
  const auto it = json.find(name);
  return it != json.end() && it->is_number() ? it->get<double>() : JobStatus::unknown;
}

void take_status(const Json& json, double now, JobStatus& job) {
  job.state = json.at("state").get<std::string>();
  job.epoch = number(json, "epoch");
  job.step = number(json, "step");
  job.steps = number(json, "steps");
  if (const double loss = number(json, "loss"); loss >= 0) job.loss = loss;  // -1: none yet
  job.acc1 = number(json, "acc1");
  job.images_per_s = number(json, "images_per_s");
  job.eta_seconds = number(json, "eta_seconds");
  job.ranks = json.value("ranks", std::int64_t{0});
  job.age = now - seconds_of(json.at("time").get<std::string>());
  if (job.state == "training" && job.step >= job.steps) job.state = "evaluating";
  const bool works = job.state == "training" || job.state == "evaluating";
  job.stale = works && job.age > silence;
  if (!works || !(job.images_per_s > 0)) job.eta_seconds = job.images_per_s = JobStatus::unknown;
  if (job.step == 0) job.loss = JobStatus::unknown;
}

// A published module has the last word, unless its job was taken up again after it (run.extend).
void take_module(const TableFile& module, double now, JobStatus& job) {
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
void take_metrics(const TableFile& metrics, JobStatus& job) {
  const auto* epochs = metrics.find("epochs");
  if (epochs == nullptr) return;
  for (const auto& [name, column] : epochs->columns)
    if (const auto* values = std::get_if<std::vector<double>>(&column);
        name == "acc1" && values != nullptr)
      for (const double value : *values)
        if (!std::isnan(value)) job.acc1 = value;
}

JobStatus job_status(const fs::path& dir, const std::string& name, double now,
                     std::vector<std::string>& problems) {
  JobStatus job;
  job.job = name;
  const auto status = dir / "status" / (name + ".json"), module = dir / "modules" / (name + ".h5"),
             metrics = dir / "metrics" / (name + ".h5");
  reading(status, problems, [&] { take_status(Json::parse(read_text_file(status)), now, job); });
  reading(module, problems, [&] { take_module(read_table_file(module), now, job); });
  if (job.state == "finished" && !fs::exists(module))
    job.state = "waiting";  // its module was removed: it is trained anew
  if (job.state != "finished" && job.state != "waiting")
    reading(metrics, problems, [&] { take_metrics(read_table_file(metrics), job); });
  return job;
}

void take_lock(const fs::path& path, double now, RunStatus& run) {
  std::string host, since;
  long pid = 0;
  if (!fs::exists(path)) return;
  std::istringstream(read_text_file(path)) >> host >> pid >> since;
  if (host.empty()) return;
  run.holder = fmt::format("process {} on host {} since {}", pid, host, since);
  std::array<char, 256> name{};
  const bool here = ::gethostname(name.data(), name.size() - 1) == 0 && host == name.data();
  run.holder_gone = here && pid > 0 && ::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH;
  // A holder touches its lock every half minute; one on another host can be judged by that alone.
  struct stat file {};
  if (!here && ::stat(path.c_str(), &file) == 0)
    run.holder_gone = now - static_cast<double>(file.st_mtime) > lock_silence;
}

}  // namespace

int RunStatus::count(const std::string& state) const {
  return static_cast<int>(std::ranges::count(jobs, state, &JobStatus::state));
}

RunStatus read_run_status(const fs::path& dir, double now) {
  if (!fs::is_directory(dir))
    fail("'{}' is no run directory: there is no such folder", dir.string());
  if (!fs::exists(dir / "config.ini") && !fs::exists(dir / "status") &&
      !fs::exists(dir / "modules"))
    fail("'{}' is no run directory: it holds neither config.ini nor status nor modules",
         dir.string());
  RunStatus run;
  run.dir = dir;
  JobList list;
  try {
    const Config config = Config::read({dir / "config.ini"}, {});
    list = make_jobs(config);
    take_seconds_left(list, config.machine, run);
  } catch (const std::exception&) {  // data out of reach
  }
  for (const auto& name : job_names(dir, list, run.problems))
    run.jobs.push_back(job_status(dir, name, now, run.problems));
  reading(dir / "lock", run.problems, [&] { take_lock(dir / "lock", now, run); });
  // Nobody works here: what says that it does was killed, or failed.
  if (run.holder.empty() || run.holder_gone)
    for (auto& job : run.jobs) {
      if (job.state != "training" && job.state != "evaluating") continue;
      job.state = "stopped";
      job.stale = false;
      job.eta_seconds = job.images_per_s = JobStatus::unknown;
    }
  return run;
}

}  // namespace m2mkd
