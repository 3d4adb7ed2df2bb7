#pragma once
// Time and memory of one pack as functions of its ranks: the sums over its jobs are taken once.

#include <span>
#include <vector>

#include <m2mkd/plan/job.hpp>

namespace m2mkd {

class PackCost {
 public:
  PackCost(std::span<const Job* const> pack, const MachineOptions& machine);

  double seconds(int ranks) const;
  double memory(int ranks) const;  ///< bytes per rank
  std::int64_t micro_batches() const { return micro_batches_; }

 private:
  /// Images of one step that the busiest rank works on, at most `limit` micro-batches of them (0:
  /// no limit).
  double images(int ranks, std::int64_t limit) const;

  std::int64_t micro_batches_ = 1, micro_batch_ = 1, samples_ = 1, forward_micro_batches_ = 0;
  double image_seconds_ = 0;   ///< of all steps, per image that a rank has in each
  double eval_seconds_ = 0;    ///< all evaluations on one rank
  double reduce_seconds_ = 0;  ///< all gradients once through the network
  double fixed_seconds_ = 0;   ///< the same on any number of ranks
  double parameter_bytes_ = 0, image_bytes_ = 0;
};

/// The numbers of ranks at which the largest share of `micro_batches` gets smaller: 1, 2, …,
/// micro_batches, about 2·√ of them.
std::vector<int> useful_ranks(std::int64_t micro_batches);

}  // namespace m2mkd
