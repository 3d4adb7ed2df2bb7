#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include <m2mkd/base/stopwatch.hpp>
#include <m2mkd/run/watchdog.hpp>

namespace m2mkd {

Watchdog::Watchdog(double limit, std::function<void(const std::string& text)> bark)
    : limit_(limit),
      tick_(std::clamp(limit / 10, 0.01, 2.0)),
      bark_(std::move(bark)),
      still_(limit, tick_) {
  if (limit_ > 0) thread_ = std::jthread([this](std::stop_token stop) { watch(stop); });
}

Watchdog::~Watchdog() = default;

void Watchdog::beat(const std::string& what) {
  const std::lock_guard lock(mutex_);
  still_.beat(what);
}

void Watchdog::pause(bool waits) {
  const std::lock_guard lock(mutex_);
  waits_ = waits;
  still_.beat(waits ? "waiting for the other groups" : "back from waiting");
}

void Watchdog::watch(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    const Stopwatch since;
    wake_.wait_for(lock, stop, std::chrono::duration<double>(tick_), [] { return false; });
    if (stop.stop_requested() || waits_ || !still_.look(since.seconds())) continue;
    const auto text = fmt::format(
        "nothing has moved here for {:.0f} s; the last was: {} [a hung rank, file system or "
        "network]. "
        "Run again to continue from the checkpoints, or raise run.watchdog_seconds",
        still_.seconds(), still_.what());
    lock.unlock();
    bark_(text);
    lock.lock();
    still_.beat("after a bark");
  }
}

}  // namespace m2mkd
