#pragma once
// Searches the groups and packs of one wave.
//
// For a wave time T, a dynamic program cuts every family into packs that together need the fewest
// ranks with no pack over T. A pack gets ranks of its own, or it queues with others in a group of
// `shared` ranks, of which it needs the part seconds / T. All T of a geometric ladder and all
// useful sizes `shared` are tried: what is tried does not depend on the number of ranks, so that
// more ranks only add possibilities and never make a wave slower.

#include <optional>
#include <vector>

#include "pack_candidates.hpp"

namespace m2mkd {

struct Arrangement {
  struct RankGroup {
    int ranks = 1;
    std::vector<const CandidatePack*> packs;  ///< dearest first
    double seconds = 0;
  };
  std::vector<RankGroup> groups;
  int ranks = 0;            ///< of all groups
  double seconds = 0;       ///< of the slowest group
  double rank_seconds = 0;  ///< of all groups
};

class Packer {
 public:
  Packer(const std::vector<const Job*>& jobs, int ranks, const MachineOptions& machine);

  /// The fastest arrangement; `ratio` > 1 is the ladder's step. Runs live as long as the packer.
  Arrangement best(double ratio) const;
  /// Jobs that fit into the memory on no number of ranks.
  std::vector<const Job*> too_large() const;

 private:
  /// Seconds of each pack of each family in a group of the shared size; infinite where it may not
  /// join.
  using SharedSeconds = std::vector<std::vector<double>>;

  Arrangement search(double ratio, bool strict) const;
  std::vector<int> group_sizes() const;
  SharedSeconds shared_seconds(int shared, bool strict) const;
  std::optional<Arrangement> arrange(double limit, int shared, const SharedSeconds& seconds) const;
  void spread(Arrangement& arrangement) const;

  std::vector<PackCandidates> families_;
  int ranks_;
  double least_seconds_ = 0;  ///< no arrangement is faster
};

/// Predicted seconds of a wave of these jobs, found in a hurry.
double quick_wave_seconds(const std::vector<const Job*>& jobs, int ranks,
                          const MachineOptions& machine);

}  // namespace m2mkd
