#pragma once
// The machine as `m2mkd bench` finds it: what predictions reckon with, per rank.

#include <string>
#include <vector>

#include <m2mkd/comm/session.hpp>
#include <m2mkd/plan/config.hpp>

namespace m2mkd {

struct MachineFacts {
  MachineOptions rates;         ///< gflops is left to the caller
  std::vector<RankInfo> ranks;  ///< in rank order
};

/// Measures reduction and disk, reads memory. `run_dir`: the disk is that of its parent folder.
/// `given`: reduction rate where one rank has nobody to reduce with. Collective.
MachineFacts measure_machine(const Session& session, const std::filesystem::path& run_dir,
                             const MachineOptions& given);

/// As section [machine] of a configuration.
std::string machine_ini(const MachineFacts& facts);

}  // namespace m2mkd
