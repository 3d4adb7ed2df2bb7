#pragma once
// What the gates share: the networks of a list of jobs, in whole or by stages, from files or
// random.

#include <optional>

#include <m2mkd/plan/gates.hpp>

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

/// The finding that a gate is skipped because it would need more than `memory` bytes, or nothing.
std::optional<Finding> too_large(const std::string& gate, const std::string& subject, double bytes,
                                 double memory);

}  // namespace m2mkd
