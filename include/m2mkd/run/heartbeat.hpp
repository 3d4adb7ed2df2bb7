#pragma once
// What a rank does whenever something moves, training, evaluating or reading alike.

#include <string>
#include <utility>

#include <m2mkd/base/stop.hpp>
#include <m2mkd/comm/communicator.hpp>
#include <m2mkd/run/watchdog.hpp>

namespace m2mkd {

/// Tells the watchdog what this rank does, hears of the others' stops, and tells them of its own:
/// whichever rank a signal reaches, all stop at their next beat.
class Heartbeat {
 public:
  Heartbeat(const Communicator& world, Watchdog& watchdog) : world_(world), watchdog_(watchdog) {}
  /// Jobs that the rank works on, for the watchdog's text.
  void works_on(std::string jobs) { jobs_ = std::move(jobs); }
  void beat(const std::string& what) {
    watchdog_.beat(jobs_.empty() ? what : what + " of " + jobs_);
    if (world_.stop_heard()) stop::request();
    if (stop::requested()) world_.tell_stop();
  }

 private:
  const Communicator& world_;
  Watchdog& watchdog_;
  std::string jobs_;
};

}  // namespace m2mkd
