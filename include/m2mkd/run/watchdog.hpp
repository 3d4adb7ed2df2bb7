#pragma once
// Ends the job when a rank stands still for too long: better than a queue's wall time.

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace m2mkd {

/// How long a rank has stood still, by looks at the clock every `tick` seconds. A look that comes
/// late counts as one tick: in between nobody ran (a scheduler's suspend, Ctrl-Z), which is
/// nobody's fault.
class Standstill {
 public:
  Standstill(double limit, double tick) : limit_(limit), tick_(tick) {}
  void beat(const std::string& what) {
    what_ = what;
    still_ = 0;
  }
  /// `passed`: seconds since the last look. True once the limit is reached.
  bool look(double passed) {
    still_ += passed > 3 * tick_ ? tick_ : passed;
    return still_ >= limit_;
  }
  double seconds() const { return still_; }
  const std::string& what() const { return what_; }

 private:
  double limit_, tick_, still_ = 0;
  std::string what_ = "start";
};

class Watchdog {
 public:
  /// `limit` in seconds; 0: never. `bark` gets a text for the log, and ends the job.
  Watchdog(double limit, std::function<void(const std::string& text)> bark);
  ~Watchdog();

  /// Things move: `what` is what this rank does now.
  void beat(const std::string& what);
  /// While it lives this rank waits for others, whose own watchdogs see to them.
  class Waiting {
   public:
    explicit Waiting(Watchdog& dog) : dog_(dog) { dog_.pause(true); }
    ~Waiting() { dog_.pause(false); }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

   private:
    Watchdog& dog_;
  };

 private:
  void pause(bool waits);
  void watch(const std::stop_token& stop);

  double limit_, tick_;
  std::function<void(const std::string& text)> bark_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  Standstill still_;
  bool waits_ = false;
  std::jthread thread_;
};

}  // namespace m2mkd
