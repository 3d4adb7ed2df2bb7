#include <algorithm>
#include <cmath>
#include <cstdio>

#include <nlohmann/json.hpp>

#include <m2mkd/base/cell.hpp>
#include <m2mkd/report/comparison.hpp>
#include <m2mkd/report/summary.hpp>

#include "command.hpp"
#include "file_json.hpp"

namespace m2mkd {

namespace {

using Json = nlohmann::ordered_json;

bool repeats_the_end_alone(const RunSummary& run) {
  return run.seeds_of == enum_name(SeedsOf::final);
}

std::string runs_text(const std::vector<RunSummary>& runs) {
  std::string text;
  for (const auto& run : runs)
    text += fmt::format("seed {:<6} {}{}\n", run.seed, run.dir.string(),
                        run.seeds_of.empty() ? "" : "  (with run.seeds of " + run.seeds_of + ")");
  return text;
}

std::string legend(const std::vector<RunSummary>& runs, const Comparison& comparison) {
  std::string text = fmt::format(
      "\n±sd: standard deviation over repetitions. diff: acc1 minus {}'s of the same seed{}, with "
      "the 95 % interval of its mean by "
      "Student's t.\ntime, FLOPs, all: as in the table of one run, means.\n",
      comparison.methods.front().method,
      comparison.methods.front().prior.empty() ? "" : " and prior");
  if (std::ranges::any_of(runs, repeats_the_end_alone))
    text +=
        "run.seeds_of = final: the repetitions of one run share all that comes before the "
        "end-to-end phase; deviations and intervals are those of this phase alone.\n";
  return text;
}

std::string comparison_text(const std::vector<RunSummary>& runs, const Comparison& comparison) {
  std::size_t width = 14;
  for (const auto& m : comparison.methods) width = std::max(width, m.name.size() + 1);
  std::string text = fmt::format("\n{:<{}}{:>4}{:>9} {:>6}{:>11}{:>9}{:>20}{:>8}{:>7}{:>7}\n",
                                 "method", width, "n", "acc1 %", "±sd", "assembled", "diff",
                                 "95 % interval", "time", "FLOPs", "all");
  std::string evaluation = "test";
  for (const auto& m : comparison.methods) {
    if (evaluation != m.evaluation) text += "\non " + m.evaluation + "\n";
    evaluation = m.evaluation;
    const bool first = m.name == m.to;
    const double half = half_width(m.difference);
    const std::string interval =
        first || std::isnan(half)
            ? "-"
            : fmt::format("[{:+.2f}, {:+.2f}]", m.difference.mean - half, m.difference.mean + half);
    text += fmt::format("{:<{}}{:>4}{} ±{}{}{}{:>20}{}{}{}\n", m.name, width, m.acc1.n,
                        cell(m.acc1.mean, "{:.2f}", 9), cell(m.acc1.sd, "{:.2f}", 5),
                        cell(m.assembled.mean, "{:.2f}", 11),
                        cell(first ? std::nan("") : m.difference.mean, "{:+.2f}", 9), interval,
                        cell(m.time_ratio.mean, "{:.2f}", 8), cell(m.flops_ratio.mean, "{:.2f}", 7),
                        cell(m.flops_ratio_all.mean, "{:.2f}", 7));
  }
  if (!comparison.methods.empty()) text += legend(runs, comparison);
  for (const auto& warning : comparison.warnings) text += "warning: " + warning + "\n";
  return text;
}

Json mean_json(const Mean& mean) {
  return {{"n", mean.n}, {"mean", mean.mean}, {"sd", mean.sd}};
}

Json run_json(const RunSummary& run) {
  Json json{{"dir", run.dir.string()},
            {"seed", run.seed},
            {"attributes", attributes_json(run.table.attributes)},
            {"methods", Json::object()}};
  for (const auto& row : method_rows(run.table))
    if (row.first) json["methods"][row.name] = attributes_json(*row.attributes);
  for (const auto& group : run.table.groups)
    if (!group.columns.empty()) json[group.path] = group_json(group)["columns"];
  return json;
}

Json comparison_json(const std::vector<RunSummary>& runs, const Comparison& comparison) {
  Json json{{"runs", Json::array()},
            {"repetitions", Json::array()},
            {"methods", Json::object()},
            {"evaluations", Json::object()},
            {"warnings", comparison.warnings}};
  for (const auto& run : runs) json["runs"].push_back(run_json(run));
  for (const auto& [run, seed] : comparison.repetitions) {
    Json repetition{{"run", run}};
    if (seed >= 0) repetition["seed"] = seed;
    json["repetitions"].push_back(std::move(repetition));
  }
  for (const auto& m : comparison.methods) {
    const double half = half_width(m.difference);
    Json difference = mean_json(m.difference);
    difference["to"] = m.to;
    difference["low"] = m.difference.mean - half;
    difference["high"] = m.difference.mean + half;
    Json acc1 = mean_json(m.acc1);
    acc1["values"] = m.acc1s;
    auto& method = m.evaluation == "test" ? json["methods"][m.name]
                                          : json["evaluations"][m.evaluation][m.name];
    method = {{"method", m.method},
              {"acc1", acc1},
              {"acc1_assembled", mean_json(m.assembled)},
              {"difference", difference},
              {"time_ratio", mean_json(m.time_ratio)},
              {"flops_ratio", mean_json(m.flops_ratio)},
              {"flops_ratio_all", mean_json(m.flops_ratio_all)}};
    if (!m.prior.empty()) method["prior"] = m.prior;
  }
  return json;
}

}  // namespace

ExitCode report_command(const CommandLine& line) {
  std::vector<RunSummary> runs;
  for (const auto& dir : operands(line, 1, 10'000, "one or several RUN_DIR"))
    runs.push_back(read_run_summary(dir));
  const Comparison comparison = compare_runs(runs);
  if (line.flags.contains("json"))
    print_json(comparison_json(runs, comparison));
  else if (runs.size() == 1 && comparison.repetitions.size() < 2)
    std::fputs(comparison_table(runs.front().table).c_str(), stdout);
  else {
    const auto before = runs.size() == 1 ? comparison_table(runs.front().table) : runs_text(runs);
    std::fputs((before + comparison_text(runs, comparison)).c_str(), stdout);
  }
  return ExitCode::finished;
}

}  // namespace m2mkd
