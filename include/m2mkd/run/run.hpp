#pragma once
// `m2mkd run`: waves, groups and packs at work.

#include <functional>

#include <m2mkd/base/error.hpp>
#include <m2mkd/comm/session.hpp>
#include <m2mkd/plan/config.hpp>
#include <m2mkd/plan/recipe.hpp>
#include <m2mkd/run/build.hpp>

namespace m2mkd {

/// Called on rank 0 when every job is finished, before the folder is unlocked.
using AtEnd = std::function<void(const JobList& list, const RunFolder& folder)>;

/// Runs every job of the configuration that is not finished, on all ranks of the session. Returns
/// finished, stopped (75) or no_progress (76). Throws Error for anything wrong. Collective.
ExitCode run(const Config& config, const Session& session, const AtEnd& at_end);

}  // namespace m2mkd
