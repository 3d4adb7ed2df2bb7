#include <csignal>

#include <gtest/gtest.h>

#include <m2mkd/base/stop.hpp>

namespace m2mkd {
namespace {

class Stop : public ::testing::Test {
 protected:
  void SetUp() override {
    stop::install();
    stop::clear();
  }
  void TearDown() override { stop::clear(); }
};

TEST_F(Stop, SignalsSetAFlagAndNothingElse) {
  for (const auto& [number, name] :
       {std::pair{SIGUSR1, "SIGUSR1"}, {SIGTERM, "SIGTERM"}, {SIGINT, "SIGINT"}}) {
    EXPECT_FALSE(stop::requested());
    EXPECT_STREQ(stop::reason(), "");
    std::raise(number);
    EXPECT_TRUE(stop::requested());
    EXPECT_STREQ(stop::reason(), name);
    stop::clear();
  }
}

TEST_F(Stop, TheFirstReasonStays) {
  std::raise(SIGUSR1);
  std::raise(SIGTERM);
  stop::request();
  EXPECT_STREQ(stop::reason(), "SIGUSR1");
}

TEST_F(Stop, CanBeRequestedFromInside) {
  stop::request();
  EXPECT_TRUE(stop::requested());
  EXPECT_STREQ(stop::reason(), "request");
}

TEST_F(Stop, RepeatedSignalsOfTheSchedulerDoNotKill) {
  for (int i = 0; i < 3; ++i) {
    std::raise(SIGUSR1);
    std::raise(SIGTERM);
  }
  EXPECT_TRUE(stop::requested());
}

TEST_F(Stop, ASecondInterruptEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        std::raise(SIGINT);
        std::raise(SIGINT);
      },
      ::testing::KilledBySignal(SIGINT), "");
}

}  // namespace
}  // namespace m2mkd
