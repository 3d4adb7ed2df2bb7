#include <cmath>
#include <ctime>

#include <fmt/format.h>

#include <m2mkd/base/stopwatch.hpp>

namespace m2mkd {

std::string duration_text(double seconds) {
  if (!std::isfinite(seconds)) return "?";
  if (seconds < 59.95)
    return fmt::format("{:.1f} s", seconds);  // what would print as 60.0 s is 01:00
  const auto whole = static_cast<long long>(std::llround(seconds));
  const auto hours = whole / 3600, minutes = whole / 60 % 60, rest = whole % 60;
  if (hours == 0) return fmt::format("{:02}:{:02}", minutes, rest);
  return fmt::format("{}:{:02}:{:02}", hours, minutes, rest);
}

std::string utc_time_text() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

}  // namespace m2mkd
