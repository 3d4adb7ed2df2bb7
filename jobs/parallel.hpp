#pragma once
// A command's work under MPI.

#include <functional>

#include <m2mkd/base/error.hpp>
#include <m2mkd/comm/session.hpp>

namespace m2mkd {

/// Opens the session, runs `work`, closes it. A failure that all ranks share (CollectiveError) is
/// printed by rank 0 and leaves in order; any other exception on any rank is logged by that rank
/// and ends the whole job, so that nothing hangs.
ExitCode in_session(const std::function<ExitCode(Session& session)>& work);

}  // namespace m2mkd
