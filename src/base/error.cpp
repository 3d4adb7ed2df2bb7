#include <m2mkd/base/error.hpp>

namespace m2mkd {

ConfigError::ConfigError(const std::vector<std::string>& problems)
    : Error(fmt::format("{}", fmt::join(problems, "\n")), ExitCode::usage) {}

void require(bool condition, std::string_view what) {
  if (!condition) throw std::logic_error(std::string(what));
}

}  // namespace m2mkd
