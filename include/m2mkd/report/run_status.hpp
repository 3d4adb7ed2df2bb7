#pragma once
// How far a run is, from the files in its directory alone: the run itself is not asked, and may be
// on another machine.

#include <filesystem>
#include <string>
#include <vector>

#include <m2mkd/store/folder_lock.hpp>
#include <m2mkd/train/job_status.hpp>

namespace m2mkd {

/// What a job's files say, and how old that is. Nothing trains where nobody works.
struct LiveStatus : JobStatus {
  double age = unknown;  ///< seconds since this was written
  bool stale = false;    ///< said to be working, but silent for longer than two minutes
};

struct RunStatus {
  std::filesystem::path dir;
  LockHolder holder;  ///< of the directory
  std::vector<LiveStatus> jobs;
  /// Of the whole run, by the plan and the rate of finished jobs; unknown where the jobs of its
  /// configuration cannot be made (data out of reach), or all are finished.
  double seconds_left = JobStatus::unknown;
  std::vector<std::string> problems;  ///< files that could not be read

  int count(const std::string& state) const;
};

/// `now`: seconds since 1970. Throws Error where the folder holds no run.
RunStatus read_run_status(const std::filesystem::path& dir, double now);

}  // namespace m2mkd
