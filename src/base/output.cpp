#include <cerrno>
#include <cstdio>
#include <cstring>

#include <fmt/format.h>

#include <m2mkd/base/output.hpp>

namespace m2mkd {

std::string output_problem() {
  errno = 0;
  const bool flushed = std::fflush(stdout) == 0;
  const int reason = errno;
  if (flushed && std::ferror(stdout) == 0) return {};
  std::clearerr(stdout);
  return fmt::format("standard output could not be written{}",
                     reason != 0 ? fmt::format(" [{}]", std::strerror(reason)) : "");
}

}  // namespace m2mkd
