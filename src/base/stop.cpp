#include <atomic>
#include <csignal>

#include <m2mkd/base/stop.hpp>

namespace m2mkd::stop {
namespace {

// Lock-free atomics instead of volatile sig_atomic_t: the flag is also polled by the loader's
// threads.
static_assert(std::atomic<int>::is_always_lock_free);
constexpr int no_stop = 0, by_request = -1;
std::atomic<int> cause{no_stop};  // the first signal's number, or by_request
std::atomic<int> interrupts{0};

void set_cause(int value) {
  int expected = no_stop;
  cause.compare_exchange_strong(expected, value);
}

extern "C" void on_stop_signal(int number) {
  set_cause(number);
  if (number == SIGINT && interrupts.fetch_add(1) > 0) {
    // Blocked while this handler runs: it ends the process as soon as we return.
    std::signal(SIGINT, SIG_DFL);
    std::raise(SIGINT);
  }
}

}  // namespace

void install() {
  struct sigaction action {};
  action.sa_handler = on_stop_signal;
  action.sa_flags = SA_RESTART;  // reads and writes in flight go on: nothing but the flag changes
  sigemptyset(&action.sa_mask);
  for (int number : {SIGUSR1, SIGTERM, SIGINT}) sigaction(number, &action, nullptr);
}

bool requested() {
  return cause.load() != no_stop;
}

const char* reason() {
  switch (cause.load()) {
    case no_stop:
      return "";
    case SIGUSR1:
      return "SIGUSR1";
    case SIGTERM:
      return "SIGTERM";
    case SIGINT:
      return "SIGINT";
    default:
      return "request";
  }
}

void request() {
  set_cause(by_request);
}

void clear() {
  cause = no_stop;
  interrupts = 0;
}

}  // namespace m2mkd::stop
