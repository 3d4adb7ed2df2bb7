#pragma once
// The whole networks of a list of jobs, or stages of them, from files or random.

#include <m2mkd/plan/recipe.hpp>
#include <m2mkd/run/build.hpp>

namespace m2mkd {

/// A whole network that some job trains or starts from.
struct WholeNetwork {
  std::string name;  ///< the job that trains it, or its file
  std::string role;
  ModelOptions model;
  Source source;
  const Job* job = nullptr;  ///< images, seed, precision
  double bytes() const;
};

/// Meta and teacher, trained and given ones, and further students, each once.
std::vector<WholeNetwork> whole_networks(const JobList& list);

/// The network, or its stage `only_stage` with all others null: from its file where that is usable,
/// else its random start.
Chain whole_or_stage(const WholeNetwork& network, const RunFolder& folder, const Digests& usable,
                     int only_stage);

}  // namespace m2mkd
