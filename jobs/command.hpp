#pragma once
// The commands of `m2mkd`. Each takes its words and flags and returns the exit code; errors are
// exceptions that main() maps.

#include <charconv>
#include <string>
#include <vector>

#include <m2mkd/base/error.hpp>
#include <m2mkd/config/settings.hpp>
#include <m2mkd/plan/config.hpp>

namespace m2mkd {

struct Command {
  const char* name;
  const char* summary;                   ///< one line for `m2mkd --help`
  const char* help;                      ///< usage and flags for `m2mkd NAME --help`
  std::vector<std::string> value_flags;  ///< undotted flags that take a value
  std::vector<std::string> switches;     ///< undotted flags that take none
  ExitCode (*run)(const CommandLine& line);
};

ExitCode run_command(const CommandLine& line);
ExitCode plan_command(const CommandLine& line);
ExitCode check_command(const CommandLine& line);
ExitCode eval_command(const CommandLine& line);
ExitCode inspect_command(const CommandLine& line);
ExitCode convert_command(const CommandLine& line);
ExitCode status_command(const CommandLine& line);
ExitCode report_command(const CommandLine& line);
ExitCode bench_command(const CommandLine& line);

/// The words after the command, at least `least` and at most `most`; a ConfigError says what is
/// expected otherwise.
std::vector<std::string> operands(const CommandLine& line, std::size_t least, std::size_t most,
                                  const std::string& expected);

/// A flag's number from `least` to `most`; `otherwise` where the flag is absent. Throws
/// ConfigError.
template <class T>
T number_flag(const CommandLine& line, const std::string& name, T otherwise, T least, T most) {
  const auto it = line.flags.find(name);
  if (it == line.flags.end()) return otherwise;
  const auto& text = it->second;
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() ||
      !(value >= least && value <= most))
    throw ConfigError(
        fmt::format("--{} {}: a number from {} to {} is needed", name, text, least, most));
  return value;
}

/// The configuration of the .ini files among `words` and the dotted flags.
Config read_config(const std::vector<std::string>& words, const CommandLine& line);

}  // namespace m2mkd
