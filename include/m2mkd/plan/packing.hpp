#pragma once
// Waves, groups and packs: who trains what, when. Deterministic, without MPI.

#include <string>
#include <vector>

#include <m2mkd/plan/cost.hpp>
#include <m2mkd/plan/recipe.hpp>

namespace m2mkd {

struct Pack {
  std::vector<std::string> jobs;
  double seconds = 0;  ///< predicted
  double memory = 0;   ///< bytes per rank
};

/// Ranks [first, first + ranks) of the world, and their packs in order, dearest first.
struct RankGroup {
  int first = 0, ranks = 1;
  std::vector<Pack> packs;
  double seconds() const;
};

struct Wave {
  std::vector<RankGroup> groups;        ///< ranks beyond the last group idle
  double seconds() const;               ///< of the slowest group
  std::vector<std::string> warnings{};  ///< jobs that fit into the memory of no number of ranks
};

/// Which wave each job runs in: not before its parents are done; jobs without children (e2e, kd) go
/// where they cost least. Returns job names per wave.
std::vector<std::vector<std::string>> assign_waves(const JobList& list, int ranks,
                                                   const MachineOptions& machine);

/// Groups and packs of one wave, found by trying its time T; per family of jobs that can share, a
/// dynamic program over contiguous runs finds the fewest ranks with every pack ≤ T; small packs
/// queue in groups; memory is a constraint (a job that fits nowhere is a warning); no group gets
/// more ranks than its jobs have micro-batches; ranks left over go to the slowest group. More ranks
/// never make the predicted wave slower.
Wave make_wave(const std::vector<const Job*>& jobs, int ranks, const MachineOptions& machine);

/// Predicted seconds of that wave.
double wave_seconds(const std::vector<const Job*>& jobs, int ranks, const MachineOptions& machine);

/// plan.json's form of a wave, and back. `first_line` facts: ranks, wave number, job names.
std::string wave_json(const Wave& wave, int number, int ranks);
/// Throws Error when the text is not a wave.
Wave wave_from_json(const std::string& text);

}  // namespace m2mkd
