#pragma once
// How far a run is, from the files in its directory alone: the run itself is not asked, and may be
// on another machine.

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

namespace m2mkd {

struct JobStatus {
  static constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

  std::string job;
  /// waiting, training, evaluating, stopped, failed, finished; nothing trains where nobody works
  std::string state = "waiting";
  double epoch = unknown, step = unknown, steps = unknown, loss = unknown, acc1 = unknown;
  double images_per_s = unknown, eta_seconds = unknown;
  double age = unknown;  ///< seconds since this was written
  std::int64_t ranks = 0;
  bool stale = false;  ///< said to be working, but silent for longer than two minutes
};

struct RunStatus {
  std::filesystem::path dir;
  std::string
      holder;  ///< "process 12 on host a since ..."; empty: no program works in the directory
  bool holder_gone = false;  ///< its process has ended, or its host is silent for ten minutes
  std::vector<JobStatus> jobs;
  /// Of the whole run, by the plan and the rate of finished jobs; unknown where the jobs of its
  /// configuration cannot be made (data out of reach), or all are finished.
  double seconds_left = JobStatus::unknown;
  std::vector<std::string> problems;  ///< files that could not be read

  int count(const std::string& state) const;
};

/// `now`: seconds since 1970. Throws Error where the folder holds no run.
RunStatus read_run_status(const std::filesystem::path& dir, double now);

}  // namespace m2mkd
