#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

#include <nlohmann/json.hpp>

#include <m2mkd/base/cell.hpp>
#include <m2mkd/base/stopwatch.hpp>
#include <m2mkd/report/run_status.hpp>

#include "command.hpp"
#include "file_json.hpp"

namespace m2mkd {

namespace {

using Json = nlohmann::ordered_json;

std::string age_text(double seconds) {
  if (std::isnan(seconds)) return "-";
  if (seconds < 120) return fmt::format("{:.0f} s ago", std::max(0.0, seconds));
  if (seconds < 120 * 60) return fmt::format("{:.0f} min ago", seconds / 60);
  if (seconds < 48 * 3600) return fmt::format("{:.0f} h ago", seconds / 3600);
  return fmt::format("{:.0f} days ago", seconds / 86400);
}

std::string state_text(const LiveStatus& job) {
  if (job.state != "training" || !(job.steps > 0)) return job.state;
  return fmt::format("training {:.0f} %", std::floor(100 * job.step / job.steps));
}

std::string job_line(const LiveStatus& job) {
  const std::string steps =
      std::isnan(job.step) ? "-" : fmt::format("{:.0f}/{:.0f}", job.step, job.steps);
  return fmt::format("{:<27} {:<15}{}{:>15}{}{}{}{:>10}  {}{}\n", job.job, state_text(job),
                     cell(job.epoch, "{:.2f}", 8), steps, cell(job.loss, "{:.4f}", 9),
                     cell(job.acc1, "{:.2f}", 8), cell(job.images_per_s, "{:.0f}", 10),
                     std::isnan(job.eta_seconds) ? "-" : duration_text(job.eta_seconds),
                     age_text(job.age), job.stale ? "  STALE" : "");
}

// What a person wants to know at last: is somebody at work, how much is left, what to do.
std::string closing_lines(const RunStatus& run) {
  const int total = static_cast<int>(run.jobs.size()), finished = run.count("finished");
  double rate = 0, eta = 0;
  int stale = 0;
  for (const auto& job : run.jobs) {
    if (job.stale) ++stale;
    if (job.stale || job.state != "training") continue;
    rate += std::isnan(job.images_per_s) ? 0 : job.images_per_s;
    eta = std::max(eta, std::isnan(job.eta_seconds) ? 0 : job.eta_seconds);
  }
  std::string text = fmt::format("\n{} of {} jobs finished", finished, total);
  for (const auto* state : {"training", "evaluating", "stopped", "failed", "waiting"})
    if (const int count = run.count(state); count > 0) text += fmt::format(", {} {}", count, state);
  if (rate > 0)
    text +=
        fmt::format("; {:.0f} images/s, {} left for those in training", rate, duration_text(eta));
  text += "\n";
  if (!std::isnan(run.seconds_left))
    text += fmt::format("about {} of work left in the whole run (by its last checkpoints)\n",
                        duration_text(run.seconds_left));
  if (run.holder.text.empty())
    text += "no program works in this directory\n";
  else
    text += fmt::format("in use by {}{}\n", run.holder.text,
                        run.holder.gone ? ": that process has ended, so nobody works here" : "");
  if (stale > 0)
    text += fmt::format(
        "{} of the jobs {} silent for more than 2 minutes: the program was killed or hangs "
        "(run.log tells more); the same "
        "command continues from the last checkpoints\n",
        stale, stale == 1 ? "is" : "are");
  if (total > 0 && finished == total)
    text += fmt::format("comparison: m2mkd report {}\n", run.dir.string());
  for (const auto& problem : run.problems) text += "warning: " + problem + "\n";
  return text;
}

Json status_json(const RunStatus& run) {
  Json json{{"dir", run.dir.string()},
            {"holder", run.holder.text},
            {"holder_gone", run.holder.gone},
            {"seconds_left", run.seconds_left},
            {"jobs", Json::array()}};
  for (const auto& job : run.jobs)
    json["jobs"].push_back({{"job", job.job},
                            {"state", job.state},
                            {"epoch", job.epoch},
                            {"step", job.step},
                            {"steps", job.steps},
                            {"loss", job.loss},
                            {"acc1", job.acc1},
                            {"images_per_s", job.images_per_s},
                            {"eta_seconds", job.eta_seconds},
                            {"ranks", job.ranks},
                            {"age_seconds", job.age},
                            {"stale", job.stale}});
  for (const auto* state : {"finished", "training", "evaluating", "stopped", "failed", "waiting"})
    json[state] = run.count(state);
  json["problems"] = run.problems;
  return json;
}

}  // namespace

ExitCode status_command(const CommandLine& line) {
  const double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  const RunStatus run = read_run_status(operands(line, 1, 1, "one RUN_DIR").front(), now);
  if (line.flags.contains("json")) {
    print_json(status_json(run));
    return ExitCode::finished;
  }
  fmt::print("{:<27} {:<15}{:>8}{:>15}{:>9}{:>8}{:>10}{:>10}  {}\n", "job", "state", "epoch",
             "step", "loss", "acc1 %", "images/s", "left", "written");
  for (const auto& job : run.jobs) std::fputs(job_line(job).c_str(), stdout);
  std::fputs(closing_lines(run).c_str(), stdout);
  return ExitCode::finished;
}

}  // namespace m2mkd
