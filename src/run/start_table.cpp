#include "start_table.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <m2mkd/base/build_info.hpp>
#include <m2mkd/base/log.hpp>
#include <m2mkd/base/stopwatch.hpp>
#include <m2mkd/run/gemm.hpp>
#include <m2mkd/run/remaining.hpp>

namespace m2mkd {

namespace {

int cores_in(const std::string& cores) {
  int count = 0;
  for (const auto& part : split_list(cores)) {
    const auto dash = part.find('-');
    count += dash == std::string::npos
                 ? 1
                 : std::stoi(part.substr(dash + 1)) - std::stoi(part.substr(0, dash)) + 1;
  }
  return count;
}

std::string si(double value) {
  const char* units[] = {"", "k", "M", "G", "T", "P", "E"};
  int unit = 0;
  for (; value >= 999.5 && unit < 6; ++unit) value /= 1000;
  return fmt::format("{:.3g} {}", value, units[unit]);
}

}  // namespace

void print_start_table(const Session& session, const Config& config, const JobList& list) {
  const auto ranks = session.all_infos();
  const auto precision = list.jobs.front().train.precision;
  const double rate = gemm_gflops(precision, session.device());
  const double slowest = [&] {
    std::vector<double> negative{-rate};
    session.world().max(negative);
    return -negative[0];
  }();
  if (session.world().rank() != 0) return;

  const auto& build = build_info();
  log::info("m2mkd {} ({}, {}, {})", build.version, build.git, build.compiler, build.build_type);
  std::set<std::string> hosts;
  for (const auto& rank : ranks) hosts.insert(rank.host);
  log::info("ranks      {} on {} host(s); device {}, {} thread(s) per rank, cores {}", ranks.size(),
            hosts.size(), ranks.front().device, ranks.front().threads, ranks.front().cores);
  for (const auto& rank : ranks)
    if (const int cores = cores_in(rank.cores); cores > 0 && rank.threads > cores) {
      log::warn(
          "{} threads per rank on {} bound core(s) of {}: unbind (mpirun --bind-to none, "
          "OMPI_MCA_hwloc_base_binding_policy=none) "
          "or set run.threads",
          rank.threads, cores, rank.host);
      break;
    }
  log::info("GEMM       {:.0f} GFLOP/s in {} on the slowest rank", slowest, enum_name(precision));
  if (precision == Precision::fp32 && slowest < 10 && ranks.front().device == "cpu")
    log::warn(
        "matrix products run at {:.1f} GFLOP/s: LibTorch without a fast BLAS, or an overloaded "
        "core",
        slowest);
  const auto& shape = list.jobs.front().facts;
  log::info("data       {} training, {} validation, {} test images, {}x{}x{}, {} classes",
            shape.train_images, shape.validation_images, shape.test_images, shape.channels,
            shape.image_size, shape.image_size, shape.classes);
  std::map<std::string, const Evaluation*> further;
  for (const auto& job : list.jobs)
    for (const auto& evaluation : job.evaluations) further[evaluation.name] = &evaluation;
  for (const auto& [name, evaluation] : further)
    if (name != "test" && name != "validation")
      log::info("evaluation {}: {} images of {}, classes {}", name, evaluation->images,
                evaluation->data.test.string(), evaluation->classes_text());
  for (const auto& note : data_notes(list)) log::warn("data       {}", note);
  const auto swept = [](const char* what, const auto& values) {
    return values.empty() ? std::string() : fmt::format("; {} {}", what, print_value(values));
  };
  log::info("run        {}; seed {}; methods {}{}{}", config.run.dir.string(), config.run.seed,
            print_value(config.run.methods), swept("priors", config.run.priors),
            swept("seeds", config.run.seeds));
}

void print_plan(const JobList& list, const RunFolder& folder,
                const std::vector<std::vector<std::string>>& waves, int ranks,
                const MachineOptions& machine) {
  const auto shares = shares_left(list, folder);
  const auto left = jobs_left(list, shares);
  double seconds = 0, disk = 0;
  for (const auto& job : list.jobs) disk += job_disk(job);
  log::info("plan       {} jobs in {} waves:", list.jobs.size(), waves.size());
  for (std::size_t w = 0; w < waves.size(); ++w) {
    std::vector<const Job*> jobs;
    double flops = 0, trainable = 0;
    std::string names;
    for (const auto& name : waves[w]) {
      const Job& job = list.find(name);
      flops += job.cost.train.executed * job.cost.images;
      trainable += static_cast<double>(job.cost.trainable);
      names += " " + name;
      if (const auto rest = std::ranges::find(left, name, &Job::name); rest != left.end())
        jobs.push_back(&*rest);
    }
    if (jobs.empty()) {
      log::info("  wave {}: finished:{}", w + 1, names);
      continue;
    }
    const Wave made = make_wave(jobs, ranks, machine);
    for (const auto& warning : made.warnings) log::warn("{}", warning);
    const double time = made.seconds();
    seconds += time;
    log::info("  wave {}: {:>8}FLOP {:>8}parameters trained, about {}:{}", w + 1, si(flops),
              si(trainable), duration_text(time), names);
  }
  const bool begun = std::ranges::any_of(shares, [](const auto& s) { return s.second < 1; });
  log::info("predicted  {} on {} rank(s) by [machine]{}; disk up to {}B", duration_text(seconds),
            ranks, begun ? " for what is left" : "", si(disk));
}

void print_wave(const WaveOrder& order, int number, int waves) {
  log::info("wave {} of {}:", number + 1, waves);
  for (const auto& group : order.wave.groups) {
    std::string packs;
    for (const auto& pack : group.packs) {
      packs += " [";
      for (const auto& job : pack.jobs) packs += (packs.ends_with("[") ? "" : " ") + job;
      packs += "]";
    }
    log::info("  ranks {}-{}:{}", group.first, group.first + group.ranks - 1, packs);
  }
}

}  // namespace m2mkd
