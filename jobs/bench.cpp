#include <algorithm>
#include <cstdio>

#include <nlohmann/json.hpp>

#include <m2mkd/base/build_info.hpp>
#include <m2mkd/base/stop.hpp>
#include <m2mkd/comm/on_root.hpp>

#include "bench_machine.hpp"
#include "bench_rows.hpp"
#include "command.hpp"
#include "parallel.hpp"

namespace m2mkd {

namespace {

std::vector<std::string> job_names(const BenchItem& item) {
  std::vector<std::string> names;
  for (const Job* job : item.jobs) names.push_back(job->name);
  return names;
}

std::string table_line(const BenchRow& row) {
  const auto names = job_names(row.item);
  const std::string jobs =
      names.size() == 1 ? names.front() : fmt::format("{} .. {}", names.front(), names.back());
  std::string text = fmt::format("{:<20}{:<26}{:>6}{:>11.2f}{:>8}{:>11.1f}", row.item.name, jobs,
                                 row.times.images, row.times.step_seconds() * 1e3,
                                 row.times.seconds.size(), row.times.images_per_second());
  if (row.gemm_gflops > 0)
    text += fmt::format("{:>11.2f}{:>11.1f}{:>8.1f}", row.gflops(), row.gemm_gflops,
                        row.share_percent());
  return text + "\n";
}

std::string table_head() {
  return fmt::format("{:<20}{:<26}{:>6}{:>11}{:>8}{:>11}{:>11}{:>11}{:>8}\n", "step", "job",
                     "images", "ms/step", "steps", "images/s", "GFLOP/s", "GEMM", "%");
}

nlohmann::json row_json(const BenchRow& row) {
  nlohmann::json json{{"row", row.item.name},
                      {"jobs", job_names(row.item)},
                      {"images_per_step", row.times.images},
                      {"step_seconds", row.times.step_seconds()},
                      {"steps", row.times.seconds.size()},
                      {"images_per_s", row.times.images_per_second()}};
  if (row.gemm_gflops > 0)
    json.update({{"flops_per_image", row.flops_per_image},
                 {"gflops", row.gflops()},
                 {"gemm_gflops", row.gemm_gflops},
                 {"gemm_percent", row.share_percent()}});
  return json;
}

nlohmann::json bench_json(const std::vector<BenchRow>& rows, const MachineFacts& facts,
                          const JobList& list) {
  const auto& build = build_info();
  const auto& rates = facts.rates;
  nlohmann::json json{{"rows", nlohmann::json::array()}, {"ranks", nlohmann::json::array()}};
  for (const auto& row : rows) json["rows"].push_back(row_json(row));
  for (const auto& r : facts.ranks)
    json["ranks"].push_back(
        {{"host", r.host}, {"device", r.device}, {"threads", r.threads}, {"cores", r.cores}});
  json["machine"] = {{"gflops", rates.gflops},
                     {"reduce_gb_s", facts.ranks.size() > 1 ? nlohmann::json(rates.reduce_gb_s)
                                                            : nlohmann::json()},
                     {"memory_gb", rates.memory_gb},
                     {"disk_gb_s", rates.disk_gb_s}};
  json["precision"] = enum_name(list.jobs.front().train.precision);
  json["build"] = {{"version", build.version},
                   {"git", build.git},
                   {"compiler", build.compiler},
                   {"build_type", build.build_type}};
  return json;
}

// GFLOP/s per rank that training reaches: the median over its rows.
double training_rate(const std::vector<BenchRow>& rows, int ranks) {
  std::vector<double> rates;
  for (const auto& row : rows)
    if (row.item.kind == BenchItem::Kind::training) rates.push_back(row.gflops() / ranks);
  return median(std::move(rates));
}

ExitCode bench(const Config& config, const Session& session, double seconds, bool json,
               bool machine) {
  const auto& world = session.world();
  const bool root = world.rank() == 0, table = !json && !machine;
  const JobList list = make_jobs(config);
  if (root && table) fmt::print("{}", table_head());
  std::vector<BenchRow> rows;
  for (const auto& item : bench_items(list)) {
    rows.push_back(measure(item, session, seconds));
    if (rows.back().times.stopped)
      throw CollectiveError(fmt::format("bench was stopped while it timed '{}'", item.name));
    if (root && table) fmt::print("{}", table_line(rows.back()));
    std::fflush(stdout);
  }
  if (table) return ExitCode::finished;
  MachineFacts facts = measure_machine(session, config.run.dir, config.machine);
  facts.rates.gflops = training_rate(rows, world.size());
  if (root)
    fmt::print("{}", json ? bench_json(rows, facts, list).dump(1) + "\n" : machine_ini(facts));
  return ExitCode::finished;
}

}  // namespace

ExitCode bench_command(const CommandLine& line) {
  const auto files = operands(line, 1, 100, "one or several CONFIG.ini");
  const double seconds = number_flag(line, "seconds", 2.0, 0.0, 3600.0);
  const bool json = line.flags.contains("json"), machine = line.flags.contains("print-machine");
  if (json && machine)
    throw ConfigError("--json holds the machine too: give --json or --print-machine");
  return in_session([&](Session& session) {
    return bench(shared_config(files, line, session), session, seconds, json, machine);
  });
}

}  // namespace m2mkd
