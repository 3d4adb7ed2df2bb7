#include <algorithm>

#include <ATen/ATen.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/run/remaining.hpp>
#include <m2mkd/store/checkpoint.hpp>

#include "job_state.hpp"

namespace m2mkd {

namespace {

// Steps that the job's files say are done.
std::int64_t steps_done(const Job& job, const RunFolder& folder) {
  try {
    if (const auto module = folder.module(job.name); std::filesystem::exists(module))
      return integer_attribute(read_attributes(module), "steps");
  } catch (const Error&) {  // damaged: the start that meets it says so
    return 0;
  }
  const auto steps = CheckpointFolder(folder.checkpoints(job.name)).steps();
  return steps.empty() ? 0 : steps.front();
}

}  // namespace

std::map<std::string, double> shares_left(const JobList& list, const RunFolder& folder) {
  std::map<std::string, double> shares;
  for (const auto& job : list.jobs) {
    const auto wanted = static_cast<double>(std::max<std::int64_t>(1, job.steps()));
    shares[job.name] =
        std::clamp(1 - static_cast<double>(steps_done(job, folder)) / wanted, 0.0, 1.0);
  }
  return shares;
}

std::vector<Job> jobs_left(const JobList& list, const std::map<std::string, double>& shares) {
  std::vector<Job> left;
  for (const auto& job : list.jobs) {
    const double share = shares.at(job.name);
    if (share <= 0) continue;
    Job rest = job;
    rest.cost.images *= share;
    rest.cost.eval_images *= share;
    rest.cost.steps =
        std::max<std::int64_t>(1, std::llround(share * static_cast<double>(job.cost.steps)));
    left.push_back(std::move(rest));
  }
  return left;
}

MachineOptions measured_machine(const JobList& list, const RunFolder& folder,
                                MachineOptions machine) {
  double flops = 0, seconds = 0;
  for (const auto& job : list.jobs) try {
      const auto module = folder.module(job.name);
      if (!std::filesystem::exists(module)) continue;
      const Attributes attributes = read_attributes(module);
      flops += number_attribute(attributes, "flops");
      seconds += number_attribute(attributes, "rank_seconds");
    } catch (const Error&) {  // damaged, or of an earlier version
    }
  if (seconds > 5) machine.gflops = flops / seconds * 1e-9;
  return machine;
}

double seconds_left(const JobList& list, const std::map<std::string, double>& shares, int ranks,
                    const MachineOptions& machine) {
  const auto left = jobs_left(list, shares);
  double seconds = 0;
  for (const auto& names : assign_waves(list, ranks, machine)) {
    std::vector<const Job*> jobs;
    for (const auto& job : left)
      if (std::ranges::count(names, job.name) > 0) jobs.push_back(&job);
    if (!jobs.empty()) seconds += wave_seconds(jobs, ranks, machine);
  }
  return seconds;
}

}  // namespace m2mkd
