#pragma once
// A number in a table for people.

#include <cmath>
#include <string>

#include <fmt/format.h>

namespace m2mkd {

/// Right-aligned; "-" for NaN.
inline std::string cell(double value, const char* format, int width) {
  return fmt::format("{:>{}}", std::isnan(value) ? "-" : fmt::format(fmt::runtime(format), value),
                     width);
}

}  // namespace m2mkd
