#pragma once
// Wall-clock seconds, and their print form.

#include <chrono>
#include <string>

namespace m2mkd {

class Stopwatch {
 public:
  /// Seconds since construction or the last restart().
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  void restart() { start_ = Clock::now(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

/// "0.8 s", "01:52", "3:04:05": seconds for a reader.
std::string duration_text(double seconds);
/// "2026-11-21T12:30:01Z"
std::string utc_time_text();

}  // namespace m2mkd
