#include "packer.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include <ATen/ATen.h>

#include <m2mkd/base/error.hpp>

namespace m2mkd {
namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();
constexpr double rounding = 1 + 1e-12;

/// A pack in a queue, with its seconds there.
struct Queued {
  const CandidatePack* pack;
  double seconds;
};

/// First fit, dearest first, into groups that are busy for at most `limit` seconds.
std::vector<Arrangement::RankGroup> queue_up(std::vector<Queued> queued, int shared, double limit) {
  std::ranges::stable_sort(queued, std::ranges::greater{}, &Queued::seconds);
  std::vector<Arrangement::RankGroup> groups;
  for (const auto& [pack, seconds] : queued) {
    auto group = std::ranges::find_if(
        groups, [&](const auto& g) { return g.seconds + seconds <= limit * rounding; });
    if (group == groups.end()) group = groups.insert(groups.end(), {shared, {}, 0});
    group->packs.push_back(pack);
    group->seconds += seconds;
  }
  return groups;
}

double seconds_on(const Arrangement::RankGroup& group, int ranks) {
  double sum = 0;
  for (const CandidatePack* pack : group.packs) sum += pack->cost.seconds(ranks);
  return sum;
}

/// The next larger number of ranks that makes the group faster, at most `limit`; 0 where there is
/// none.
int next_ranks(const Arrangement::RankGroup& group, int limit) {
  std::set<int> candidates;
  for (const CandidatePack* pack : group.packs) {
    limit = std::min(limit, pack->most_ranks());
    for (const auto& [ranks, seconds] : pack->rank_times)
      if (ranks > group.ranks) candidates.insert(ranks);
  }
  for (const int ranks : candidates)
    if (ranks <= limit && seconds_on(group, ranks) < group.seconds) return ranks;
  return 0;
}

}  // namespace

Packer::Packer(const std::vector<const Job*>& jobs, int ranks, const MachineOptions& machine)
    : families_(pack_candidates(jobs, ranks, machine)), ranks_(ranks) {
  require(ranks >= 1, "a wave runs on at least one rank");
  double work =
      0;  // one rank does all of it, every family as one pack: what must be done at the least
  for (const auto& family : families_) {
    work += family.packs()[family.pack(0, family.size())].cost.seconds(1);
    for (std::size_t i = 0; i < family.size(); ++i)
      least_seconds_ =
          std::max(least_seconds_, family.packs()[family.pack(i, i + 1)].rank_times.back().seconds);
  }
  least_seconds_ = std::max(least_seconds_, work / ranks);
}

std::vector<const Job*> Packer::too_large() const {
  std::vector<const Job*> jobs;
  for (const auto& family : families_)
    jobs.insert(jobs.end(), family.too_large().begin(), family.too_large().end());
  return jobs;
}

// Every number of ranks that makes a difference to some job, thinned out above 8, and what memory
// asks for.
std::vector<int> Packer::group_sizes() const {
  std::set<int> useful, needed, sizes;
  for (const auto& family : families_)
    for (std::size_t i = 0; i < family.size(); ++i) {
      const CandidatePack& pack = family.packs()[family.pack(i, i + 1)];
      needed.insert(pack.least_ranks);
      for (const auto& [ranks, seconds] : pack.rank_times) useful.insert(ranks);
    }
  for (int last = 0; const int size : useful)
    if (size <= 8 || size >= 1.25 * last) sizes.insert(last = size);
  sizes.insert(needed.begin(), needed.end());
  sizes.erase(sizes.upper_bound(ranks_), sizes.end());
  return {sizes.begin(), sizes.end()};
}

Packer::SharedSeconds Packer::shared_seconds(int shared, bool strict) const {
  SharedSeconds seconds;
  for (const auto& family : families_) {
    auto& of_family = seconds.emplace_back();
    for (const auto& pack : family.packs()) {
      const bool joins = pack.least_ranks > 0 && shared >= pack.least_ranks &&
                         (!strict || shared <= pack.most_ranks());
      of_family.push_back(joins ? pack.cost.seconds(shared) : infinite);
    }
  }
  return seconds;
}

std::optional<Arrangement> Packer::arrange(double limit, int shared,
                                           const SharedSeconds& seconds) const {
  Arrangement result;
  std::vector<Queued> queued;
  double needed = 0;
  for (std::size_t f = 0; f < families_.size(); ++f) {
    const PackCandidates& family = families_[f];
    struct Cut {
      double ranks = infinite;
      std::size_t begin = 0;
      int own = 0;  ///< ranks of its own; 0: it queues
    };
    std::vector<Cut> cuts(family.size() + 1);  // the best way to do jobs [0, end)
    cuts[0].ranks = 0;
    for (std::size_t end = 1; end <= family.size(); ++end)
      for (std::size_t begin = 0; begin < end; ++begin) {
        const std::size_t r = family.pack(begin, end);
        const int own = family.packs()[r].ranks_for(limit);
        double ranks = own > 0 ? own : infinite;
        const double part =
            seconds[f][r] <= limit * rounding ? shared * seconds[f][r] / limit : infinite;
        const bool queues = part < ranks;
        ranks = cuts[begin].ranks + std::min(ranks, part);
        if (ranks < cuts[end].ranks) cuts[end] = {ranks, begin, queues ? 0 : own};
      }
    needed += cuts.back().ranks;
    if (needed > ranks_ * rounding) return std::nullopt;
    for (std::size_t end = family.size(); end > 0; end = cuts[end].begin) {
      const std::size_t r = family.pack(cuts[end].begin, end);
      const CandidatePack& pack = family.packs()[r];
      if (cuts[end].own == 0)
        queued.push_back({&pack, seconds[f][r]});
      else
        result.groups.push_back({cuts[end].own, {&pack}, pack.cost.seconds(cuts[end].own)});
    }
  }
  std::ranges::move(queue_up(std::move(queued), shared, limit), std::back_inserter(result.groups));
  for (const auto& group : result.groups) result.ranks += group.ranks;
  if (result.ranks > ranks_) return std::nullopt;
  return result;
}

// Ranks left over go to the slowest group, as long as it can use them.
void Packer::spread(Arrangement& arrangement) const {
  auto& groups = arrangement.groups;
  for (;;) {
    auto& slowest = *std::ranges::max_element(groups, {}, &Arrangement::RankGroup::seconds);
    const int ranks = next_ranks(slowest, slowest.ranks + ranks_ - arrangement.ranks);
    if (ranks == 0) break;
    arrangement.ranks += ranks - slowest.ranks;
    slowest.ranks = ranks;
    slowest.seconds = seconds_on(slowest, ranks);
  }
  for (const auto& group : groups) {
    arrangement.seconds = std::max(arrangement.seconds, group.seconds);
    arrangement.rank_seconds += group.ranks * group.seconds;
  }
}

Arrangement Packer::search(double ratio, bool strict) const {
  Arrangement best;
  const double step = std::log(ratio);
  for (const int shared : group_sizes()) {
    const auto seconds = shared_seconds(shared, strict);
    double longest = least_seconds_;  // every job as its own pack, one after another
    for (std::size_t f = 0; f < families_.size(); ++f)
      for (std::size_t i = 0; i < families_[f].size(); ++i) {
        const std::size_t r = families_[f].pack(i, i + 1);
        longest += std::isfinite(seconds[f][r])
                       ? seconds[f][r]
                       : families_[f].packs()[r].rank_times.front().seconds;
      }
    const auto last = std::llround(std::ceil(std::log(longest) / step));
    for (auto k = std::llround(std::floor(std::log(least_seconds_) / step)); k <= last; ++k) {
      auto found = arrange(std::exp(static_cast<double>(k) * step), shared, seconds);
      if (!found) continue;
      spread(*found);
      if (best.groups.empty() || std::pair(found->seconds, found->rank_seconds) <
                                     std::pair(best.seconds, best.rank_seconds))
        best = std::move(*found);
    }
  }
  return best;
}

Arrangement Packer::best(double ratio) const {
  if (families_.empty()) return {};
  Arrangement found = search(ratio, true);
  // Only where memory asks for more ranks than some job has micro-batches: then ranks without work
  // join its group.
  if (found.groups.empty()) found = search(ratio, false);
  require(!found.groups.empty(), "one group of all ranks is an arrangement");
  return found;
}

double quick_wave_seconds(const std::vector<const Job*>& jobs, int ranks,
                          const MachineOptions& machine) {
  return Packer(jobs, ranks, machine).best(1.1).seconds;
}

}  // namespace m2mkd
