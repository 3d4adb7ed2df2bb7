#pragma once
// Errors that leave the program with a documented exit code, and their throwers.

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace m2mkd {

/// Exit codes of `m2mkd`, part of the interface (README has the table).
enum class ExitCode : int {
  finished = 0,
  failed = 1,
  usage = 2,         ///< wrong command line or configuration
  stopped = 75,      ///< stopped on request, checkpoint saved: run again to continue (EX_TEMPFAIL)
  no_progress = 76,  ///< no step was gained over several restarts: do not requeue
};

/// Anything wrong that comes from outside: a file, a setting, the machine. `what()` says what,
/// where, why and what to try.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, ExitCode code = ExitCode::failed)
      : std::runtime_error(message), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

/// A wrong setting or command line; `what()` lists every problem, one per line.
class ConfigError : public Error {
 public:
  explicit ConfigError(const std::vector<std::string>& problems);
  explicit ConfigError(const std::string& problem) : Error(problem, ExitCode::usage) {}
};

/// Throws Error with a formatted message.
template <class... A>
[[noreturn]] void fail(fmt::format_string<A...> text, A&&... args) {
  throw Error(fmt::format(text, std::forward<A>(args)...));
}

/// Misuse of an interface by our own code: throws std::logic_error when `condition` is false.
void require(bool condition, std::string_view what);

}  // namespace m2mkd
