#pragma once
// The packs that a wave may be made of: contiguous ones of the jobs that can share, each with its
// time on every useful number of ranks.

#include <vector>

#include "pack_cost.hpp"

namespace m2mkd {

/// Where a pack is on its fastest way with at most so many ranks.
struct RankTime {
  int ranks = 1;
  double seconds = 0;
};

/// Jobs [begin, end) of those that can share, as one pack.
struct CandidatePack {
  std::vector<const Job*> jobs;
  PackCost cost;
  int least_ranks = 0;  ///< fewest ranks on which it fits into memory; 0: none
  std::vector<RankTime>
      rank_times;  ///< ranks rising, seconds falling; empty: does not fit into memory

  int most_ranks() const { return static_cast<int>(cost.micro_batches()); }
  /// Fewest ranks that take at most `seconds`; 0 where no number does.
  int ranks_for(double seconds) const;
};

/// Jobs that can share a pack, in the order of their stages, and all candidate packs of them.
class PackCandidates {
 public:
  /// A job that fits into the memory on no number up to `ranks` is planned on as many as it can
  /// use; see `too_large`.
  PackCandidates(std::vector<const Job*> jobs, int ranks, const MachineOptions& machine);

  std::size_t size() const { return jobs_.size(); }
  const std::vector<CandidatePack>& packs() const { return packs_; }
  /// Index in packs() of jobs [begin, end).
  std::size_t pack(std::size_t begin, std::size_t end) const {
    return first_[begin] + (end - begin - 1);
  }
  const std::vector<const Job*>& too_large() const { return too_large_; }

 private:
  std::vector<const Job*> jobs_, too_large_;
  std::vector<CandidatePack> packs_;
  std::vector<std::size_t> first_;
};

/// In the order of their first jobs' names.
std::vector<PackCandidates> pack_candidates(const std::vector<const Job*>& jobs, int ranks,
                                            const MachineOptions& machine);

}  // namespace m2mkd
