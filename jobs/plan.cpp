#include <algorithm>
#include <cstdio>

#include <nlohmann/json.hpp>

#include <m2mkd/base/log.hpp>
#include <m2mkd/base/stopwatch.hpp>
#include <m2mkd/plan/packing.hpp>
#include <m2mkd/plan/recipe.hpp>
#include <m2mkd/run/given.hpp>

#include "command.hpp"

namespace m2mkd {

namespace {

nlohmann::json flops_json(const Flops& flops) {
  return {{"executed", flops.executed}, {"published", flops.published}};
}

nlohmann::json chain_json(const ChainCost& chain) {
  return {{"parameters", chain.parameters()},
          {"stage_parameters", chain.stages},
          {"forward_flops_per_image", flops_json(chain.forward)}};
}

nlohmann::json job_json(const Job& job) {
  const auto& c = job.cost;
  nlohmann::json json = chain_json(c.chain);
  json.update({{"job", job.name},
               {"phase", enum_name(job.phase)},
               {"stage", job.stage},
               {"parents", job.parents()},
               {"trainable_parameters", c.trainable},
               {"train_flops_per_image", flops_json(c.train)},
               {"prefix_flops_per_image", flops_json(c.prefix)},
               {"eval_flops_per_image", c.eval_flops},
               {"epochs", job.train.schedule.epochs},
               {"steps", c.steps},
               {"images", c.images},
               {"flops", c.train.executed * c.images},
               {"micro_batches", job.micro_batches()},
               {"teachers", nlohmann::json::object()}});
  for (std::size_t i = 0; i < c.teachers.size(); ++i)
    json["teachers"][job.teachers[i].name] = chain_json(c.teachers[i]);
  return json;
}

nlohmann::json plan_json(const JobList& list, const std::vector<Wave>& waves, int ranks) {
  nlohmann::json json{
      {"ranks", ranks}, {"jobs", nlohmann::json::array()}, {"waves", nlohmann::json::array()}};
  double seconds = 0, disk = 0;
  for (const auto& job : list.jobs) {
    json["jobs"].push_back(job_json(job));
    disk += job_disk(job);
  }
  for (std::size_t w = 0; w < waves.size(); ++w) {
    json["waves"].push_back(nlohmann::json::parse(wave_json(waves[w], static_cast<int>(w), ranks)));
    seconds += waves[w].seconds();
  }
  json["predicted_seconds"] = seconds;
  json["disk_bytes"] = disk;
  for (const auto& [method, jobs] : list.needs)
    json["methods"][method] = {{"jobs", jobs},
                               {"leaves", list.leaves.at(method)},
                               {"flops", method_flops(list, method, false)},
                               {"flops_all", method_flops(list, method, true)}};
  return json;
}

std::string plan_text(const JobList& list, const std::vector<Wave>& waves, int ranks) {
  std::size_t width = 28;
  for (const auto& job : list.jobs) width = std::max(width, job.name.size() + 1);
  std::string text = fmt::format("{:<{}}{:>13}{:>13}{:>11}{:>9}{:>10}\n", "job", width,
                                 "parameters", "trained", "GF/image", "steps", "PFLOP");
  double disk = 0, seconds = 0;
  for (const auto& job : list.jobs) {
    const auto& c = job.cost;
    text += fmt::format("{:<{}}{:>13}{:>13}{:>11.4g}{:>9}{:>10.4g}\n", job.name, width,
                        c.chain.parameters(), c.trainable, c.train.executed * 1e-9, c.steps,
                        c.train.executed * c.images * 1e-15);
    disk += job_disk(job);
  }
  for (std::size_t w = 0; w < waves.size(); ++w) {
    int used = 0;
    for (const auto& group : waves[w].groups) used = std::max(used, group.first + group.ranks);
    text += fmt::format("\nwave {}: about {}, {} of {} ranks\n", w + 1,
                        duration_text(waves[w].seconds()), used, ranks);
    for (const auto& group : waves[w].groups)
      for (const auto& pack : group.packs) {
        text += fmt::format("  ranks {:>4}-{:<4} {:>9} {:>7.2f} GB ", group.first,
                            group.first + group.ranks - 1, duration_text(pack.seconds),
                            pack.memory * 1e-9);
        for (const auto& name : pack.jobs) text += " " + name;
        text += "\n";
      }
    seconds += waves[w].seconds();
  }
  for (const auto& note : data_notes(list)) text += "\nwarning: " + note + "\n";
  return text + fmt::format("\npredicted by [machine]: {} on {} ranks; files up to {:.3g} GB\n",
                            duration_text(seconds), ranks, disk * 1e-9);
}

}  // namespace

ExitCode plan_command(const CommandLine& line) {
  if (!line.flags.contains("ranks")) throw ConfigError("m2mkd plan needs --ranks N");
  const int ranks = number_flag(line, "ranks", 1, 1, 1 << 20);
  const Config config = read_config(operands(line, 1, 100, "one or several CONFIG.ini"), line);
  const JobList list = make_jobs(config);
  if (const auto problems = given_problems(selected_jobs(list, config.run)); !problems.empty())
    throw ConfigError(problems);
  std::vector<Wave> waves;
  for (const auto& names : assign_waves(list, ranks, config.machine)) {
    std::vector<const Job*> jobs;
    for (const auto& name : names) jobs.push_back(&list.find(name));
    waves.push_back(make_wave(jobs, ranks, config.machine));
    for (const auto& warning : waves.back().warnings) log::warn("{}", warning);
  }
  if (line.flags.contains("json"))
    fmt::print("{}\n", plan_json(list, waves, ranks).dump(1));
  else
    fmt::print("{}", plan_text(list, waves, ranks));
  return ExitCode::finished;
}

}  // namespace m2mkd
