#include "pack_candidates.hpp"

#include <algorithm>
#include <map>
#include <tuple>

#include <ATen/ATen.h>

#include <m2mkd/plan/sharing.hpp>

namespace m2mkd {
namespace {

bool before(const Job* a, const Job* b) {
  return std::tie(a->stage, a->name) < std::tie(b->stage, b->name);
}

CandidatePack make_candidate(std::vector<const Job*> jobs, int ranks, const MachineOptions& machine,
                             std::vector<const Job*>& too_large) {
  const PackCost cost(jobs, machine);
  CandidatePack pack{std::move(jobs), cost, 0, {}};
  const auto useful = useful_ranks(cost.micro_batches());
  const auto fits = [&](int r) { return cost.memory(r) <= machine.memory_gb * 1e9; };
  const auto fit = std::ranges::find_if(useful, fits);
  const bool somewhere = fit != useful.end() && *fit <= ranks;
  if (somewhere) {
    pack.least_ranks = *fit;
  } else if (pack.jobs.size() == 1) {
    too_large.push_back(pack.jobs.front());
    pack.least_ranks = *std::prev(std::ranges::upper_bound(useful, ranks));
  }
  if (pack.least_ranks == 0) return pack;
  for (const int r : useful)
    if (r >= pack.least_ranks)
      if (const double s = cost.seconds(r);
          pack.rank_times.empty() || s < pack.rank_times.back().seconds)
        pack.rank_times.push_back({r, s});
  return pack;
}

}  // namespace

int CandidatePack::ranks_for(double seconds) const {
  const auto it =
      std::ranges::lower_bound(rank_times, seconds, std::ranges::greater{}, &RankTime::seconds);
  return it == rank_times.end() ? 0 : it->ranks;
}

PackCandidates::PackCandidates(std::vector<const Job*> jobs, int ranks,
                               const MachineOptions& machine)
    : jobs_(std::move(jobs)) {
  std::ranges::sort(jobs_, before);
  for (std::size_t begin = 0; begin < jobs_.size(); ++begin) {
    first_.push_back(packs_.size());
    std::vector<const Job*> pack;
    for (std::size_t end = begin; end < jobs_.size(); ++end) {
      pack.push_back(jobs_[end]);
      packs_.push_back(make_candidate(pack, ranks, machine, too_large_));
    }
  }
}

std::vector<PackCandidates> pack_candidates(const std::vector<const Job*>& jobs, int ranks,
                                            const MachineOptions& machine) {
  std::map<std::string, std::vector<const Job*>> by_key;
  for (const Job* job : jobs) by_key[share_key(*job)].push_back(job);
  std::vector<std::vector<const Job*>> groups;
  for (auto& [key, group] : by_key) {
    std::ranges::sort(group, before);
    groups.push_back(std::move(group));
  }
  std::ranges::sort(groups, {}, [](const auto& group) { return group.front()->name; });
  std::vector<PackCandidates> families;
  for (auto& group : groups) families.emplace_back(std::move(group), ranks, machine);
  return families;
}

}  // namespace m2mkd
