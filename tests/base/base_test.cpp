#include <limits>
#include <regex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <m2mkd/base/build_info.hpp>
#include <m2mkd/base/error.hpp>
#include <m2mkd/base/stopwatch.hpp>

namespace m2mkd {
namespace {

using ::testing::MatchesRegex;

TEST(Error, CarriesItsExitCode) {
  try {
    fail("cannot read {} [{}]", "a.h5", 3);
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "cannot read a.h5 [3]");
    EXPECT_EQ(e.code(), ExitCode::failed);
  }
  EXPECT_EQ(static_cast<int>(ExitCode::stopped), 75);
}

TEST(ConfigError, ListsEveryProblemOnItsLine) {
  const ConfigError error(std::vector<std::string>{"a.ini:1: x", "a.ini:2: y"});
  EXPECT_STREQ(error.what(), "a.ini:1: x\na.ini:2: y");
  EXPECT_EQ(error.code(), ExitCode::usage);
}

TEST(Require, ThrowsOnMisuseOnly) {
  EXPECT_NO_THROW(require(true, "fine"));
  EXPECT_THROW(require(false, "rank outside the world"), std::logic_error);
}

TEST(DurationText, ReadsLikeAClock) {
  EXPECT_EQ(duration_text(0.84), "0.8 s");
  EXPECT_EQ(duration_text(59.94), "59.9 s");
  EXPECT_EQ(duration_text(59.96), "01:00");
  EXPECT_EQ(duration_text(112), "01:52");
  EXPECT_EQ(duration_text(3599.6), "1:00:00");
  EXPECT_EQ(duration_text(3 * 3600 + 4 * 60 + 5), "3:04:05");
  EXPECT_EQ(duration_text(100 * 3600), "100:00:00");
  EXPECT_EQ(duration_text(std::numeric_limits<double>::infinity()), "?");
}

TEST(Stopwatch, MeasuresFromTheLastRestart) {
  Stopwatch watch;
  const double first = watch.seconds();
  EXPECT_GE(first, 0.0);
  EXPECT_GE(watch.seconds(), first);
}

TEST(UtcTimeText, IsIso8601) {
  EXPECT_THAT(utc_time_text(),
              MatchesRegex("20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"));
}

TEST(BuildInfo, SaysWhatWasBuilt) {
  const BuildInfo& info = build_info();
  EXPECT_THAT(info.version, MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+"));
  EXPECT_THAT(info.git, MatchesRegex("unknown|[0-9a-f]{40}(-dirty)?"));
  EXPECT_THAT(info.compiler, MatchesRegex("[A-Za-z]+ [0-9.]+"));
  EXPECT_FALSE(info.build_type.empty());
}

}  // namespace
}  // namespace m2mkd
