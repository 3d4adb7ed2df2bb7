#pragma once
// Ends the job when nothing has moved for too long: better than a queue's wall time.

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/log.hpp>
#include <m2mkd/base/stopwatch.hpp>
#include <m2mkd/comm/session.hpp>

namespace m2mkd {

class Watchdog {
 public:
  /// `limit` in seconds; 0: never.
  explicit Watchdog(double limit) : limit_(limit) {
    if (limit_ > 0) thread_ = std::jthread([this](std::stop_token stop) { watch(stop); });
  }

  /// Things move: `what` is what this rank does now.
  void beat(const std::string& what) {
    const std::lock_guard lock(mutex_);
    what_ = what;
    since_.restart();
  }

 private:
  void watch(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (!stop.stop_requested()) {
      wake_.wait_for(lock, stop, std::chrono::seconds(2), [] { return false; });
      if (since_.seconds() < limit_ || stop.stop_requested()) continue;
      log::error(
          "nothing has moved for {:.0f} s; the last was: {} [a hung rank, file system or network]. "
          "The last checkpoints are "
          "intact: run again to continue, or raise run.watchdog_seconds",
          since_.seconds(), what_);
      Session::abort(static_cast<int>(ExitCode::failed));
    }
  }

  double limit_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::string what_ = "start";
  Stopwatch since_;
  std::jthread thread_;
};

}  // namespace m2mkd
