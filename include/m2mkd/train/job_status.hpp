#pragma once
// status/<job>.json: how far a job is, for who looks on (docs/file-formats.md).

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>

namespace m2mkd {

struct JobStatus {
  static constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

  std::string job, phase;
  /// waiting, training, evaluating, stopped, failed, finished
  std::string state = "waiting";
  double epoch = unknown, step = unknown, steps = unknown;
  double loss = unknown, lr = unknown, acc1 = unknown;
  double images_per_s = unknown, eta_seconds = unknown;
  std::int64_t ranks = 0;
  std::string time;  ///< UTC, when it was written
};

/// Written whole or not at all, with today's time.
void write_job_status(const std::filesystem::path& path, JobStatus status);
/// Throws Error where it cannot be read.
JobStatus read_job_status(const std::filesystem::path& path);

}  // namespace m2mkd
