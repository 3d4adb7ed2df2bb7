// Which wave each job runs in.

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include <ATen/ATen.h>

#include <m2mkd/plan/packing.hpp>

#include "pack_cost.hpp"
#include "packer.hpp"

namespace m2mkd {

std::vector<std::vector<std::string>> assign_waves(const JobList& list, int ranks,
                                                   const MachineOptions& machine) {
  if (list.jobs.empty()) return {};
  std::set<std::string> parents;
  int last = 0;
  for (const auto& job : list.jobs) {
    for (auto& name : job.parents()) parents.insert(std::move(name));
    last = std::max(last, job.wave);
  }
  std::vector<std::vector<const Job*>> waves(static_cast<std::size_t>(last) + 1);
  std::vector<const Job*> leaves;
  for (const auto& job : list.jobs) {
    if (parents.contains(job.name) || job.wave == last)
      waves[static_cast<std::size_t>(job.wave)].push_back(&job);
    else
      leaves.push_back(&job);
  }

  const auto alone = [&](const Job* job) { return PackCost(std::vector{job}, machine).seconds(1); };
  std::ranges::sort(leaves, {}, [&](const Job* job) { return std::tuple(-alone(job), job->name); });
  std::vector<double> seconds;
  for (const auto& wave : waves) seconds.push_back(quick_wave_seconds(wave, ranks, machine));
  for (const Job* leaf : leaves) {
    std::size_t where = 0;
    double least = 0, then = 0;
    for (auto w = static_cast<std::size_t>(leaf->wave); w < waves.size(); ++w) {
      auto with = waves[w];
      with.push_back(leaf);
      const double longer = quick_wave_seconds(with, ranks, machine);
      const double growth = longer - seconds[w];
      // Differences below a thousandth are noise of the prediction: the earlier wave then.
      if (w != static_cast<std::size_t>(leaf->wave) && growth >= least - 1e-3 * longer) continue;
      where = w;
      least = growth;
      then = longer;
    }
    waves[where].push_back(leaf);
    seconds[where] = then;
  }

  std::vector<std::vector<std::string>> names;
  for (const auto& wave : waves) {
    auto& of_wave = names.emplace_back();
    for (const auto& job : list.jobs)  // in the list's order
      if (std::ranges::count(wave, &job) > 0) of_wave.push_back(job.name);
  }
  return names;
}

}  // namespace m2mkd
