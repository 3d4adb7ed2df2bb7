#pragma once
// A command's work under MPI.

#include <functional>

#include <m2mkd/base/error.hpp>
#include <m2mkd/comm/session.hpp>

#include "command.hpp"

namespace m2mkd {

/// Opens the session, runs `work`, closes it. A failure that all ranks share (CollectiveError) is
/// printed by rank 0 and leaves in order; any other exception on any rank is logged by that rank
/// and ends the whole job, so that nothing hangs.
ExitCode in_session(const std::function<ExitCode(Session& session)>& work);

/// The configuration of these files and flags, the same on all ranks: one reads, one hit on a
/// parallel file system's metadata. Its jobs can be made; ATen has its threads. Collective.
Config shared_config(const std::vector<std::string>& files, const CommandLine& line,
                     Session& session);

}  // namespace m2mkd
