#pragma once
// `m2mkd run`: waves, groups and packs at work.

#include <optional>

#include <m2mkd/base/error.hpp>
#include <m2mkd/comm/session.hpp>
#include <m2mkd/plan/config.hpp>
#include <m2mkd/store/table_file.hpp>

namespace m2mkd {

struct RunResult {
  ExitCode code = ExitCode::finished;  ///< finished, stopped (75) or no_progress (76)
  std::optional<TableFile> summary;    ///< of a run that is finished, on rank 0
};

/// Runs every job of the configuration that is not finished, on all ranks of the session, and sums
/// up in RUN_DIR/summary.h5. Throws Error for anything wrong. Collective.
RunResult run(const Config& config, const Session& session);

}  // namespace m2mkd
