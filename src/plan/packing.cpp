#include <algorithm>
#include <tuple>

#include <ATen/ATen.h>

#include <m2mkd/base/log.hpp>
#include <m2mkd/plan/packing.hpp>

#include "packer.hpp"

namespace m2mkd {
namespace {

Pack make_pack(const CandidatePack& candidate, int ranks) {
  Pack pack{{}, candidate.cost.seconds(ranks), candidate.cost.memory(ranks)};
  for (const Job* job : candidate.jobs) pack.jobs.push_back(job->name);
  return pack;
}

Wave arrange(const Packer& packer) {
  const Arrangement best = packer.best(1.03);
  Wave wave;
  for (const auto& group : best.groups) {
    RankGroup made{0, group.ranks, {}};
    for (const CandidatePack* pack : group.packs)
      made.packs.push_back(make_pack(*pack, group.ranks));
    std::ranges::sort(made.packs, {}, [](const Pack& p) { return std::tuple(-p.seconds, p.jobs); });
    wave.groups.push_back(std::move(made));
  }
  // Large groups first: those of even sizes then lie inside nodes.
  std::ranges::sort(wave.groups, {}, [](const RankGroup& g) {
    return std::tuple(-g.ranks, -g.seconds(), g.packs.front().jobs);
  });
  for (int first = 0; auto& group : wave.groups) {
    group.first = first;
    first += group.ranks;
  }
  return wave;
}

}  // namespace

double RankGroup::seconds() const {
  double sum = 0;
  for (const auto& pack : packs) sum += pack.seconds;
  return sum;
}

double Wave::seconds() const {
  double most = 0;
  for (const auto& group : groups) most = std::max(most, group.seconds());
  return most;
}

double wave_seconds(const std::vector<const Job*>& jobs, int ranks, const MachineOptions& machine) {
  return arrange(Packer(jobs, ranks, machine)).seconds();
}

Wave make_wave(const std::vector<const Job*>& jobs, int ranks, const MachineOptions& machine) {
  const Packer packer(jobs, ranks, machine);
  Wave wave = arrange(packer);
  for (const Job* job : packer.too_large())
    for (const auto& group : wave.groups)
      for (const auto& pack : group.packs)
        if (std::ranges::count(pack.jobs, job->name) > 0)
          wave.warnings.push_back(fmt::format(
              "{}: needs about {:.1f} GB per rank on {} ranks, but machine.memory_gb is {:.1f}. "
              "Try a smaller "
              "train.micro_batch, train.forward_micro_batches = 1, or more ranks",
              job->name, pack.memory / 1e9, group.ranks, machine.memory_gb));
  return wave;
}

}  // namespace m2mkd
