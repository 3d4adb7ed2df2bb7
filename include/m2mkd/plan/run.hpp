#pragma once
// `m2mkd run`: waves, groups and packs at work.

#include <m2mkd/base/error.hpp>
#include <m2mkd/comm/session.hpp>
#include <m2mkd/plan/config.hpp>

namespace m2mkd {

/// Runs every job of the configuration that is not finished, on all ranks of the session, and
/// prints the comparison table on rank 0. Returns finished, stopped (75) or no_progress (76).
/// Throws Error for anything wrong. Collective.
ExitCode run(const Config& config, const Session& session);

}  // namespace m2mkd
