// Every number that can be written has a range, and the template prints it.

#include <regex>
#include <sstream>

#include <gtest/gtest.h>

#include <m2mkd/plan/config.hpp>

namespace m2mkd {
namespace {

TEST(Ranges, EveryNumberOfTheTemplateHasOne) {
  std::istringstream text(Config::defaults_text());
  const std::regex number(R"(^# .*\((list of )?(integer|number)s?(, [^)]*)?\)$)");
  std::smatch found;
  int numbers = 0;
  for (std::string line; std::getline(text, line);) {
    if (!std::regex_match(line, found, number)) continue;
    ++numbers;
    EXPECT_TRUE(found[3].matched) << line;
  }
  EXPECT_GT(numbers, 60);
}

}  // namespace
}  // namespace m2mkd
