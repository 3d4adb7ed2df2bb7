// Who stands still is named; who waits, or was suspended, is not.

#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <m2mkd/run/watchdog.hpp>

namespace m2mkd {
namespace {

using testing::HasSubstr;

TEST(Standstill, CountsFromTheLastBeat) {
  Standstill still(10, 1);
  for (int i = 0; i < 9; ++i) EXPECT_FALSE(still.look(1));
  still.beat("training step of distill.1");
  for (int i = 0; i < 9; ++i) EXPECT_FALSE(still.look(1)) << i;
  EXPECT_TRUE(still.look(1));
  EXPECT_EQ(still.what(), "training step of distill.1");
}

TEST(Standstill, TimeInWhichNobodyRanDoesNotCount) {
  Standstill still(10, 1);
  EXPECT_FALSE(still.look(8 * 3600));  // a night's suspend
  for (int i = 0; i < 8; ++i) EXPECT_FALSE(still.look(1));
  EXPECT_TRUE(still.look(1)) << "but it is noticed where nothing moves afterwards";
}

TEST(WatchdogTest, BarksAtAStandstillAndSaysWhatWasLast) {
  std::promise<std::string> heard;
  std::atomic<bool> once = false;
  Watchdog dog(0.2, [&](const std::string& text) {
    if (!once.exchange(true)) heard.set_value(text);
  });
  dog.beat("evaluating of final.e2e");
  EXPECT_THAT(heard.get_future().get(), HasSubstr("the last was: evaluating of final.e2e"));
}

TEST(WatchdogTest, SaysNothingWhileThingsMoveOrOthersAreAwaited) {
  std::atomic<int> barks = 0;
  Watchdog dog(0.3, [&](const std::string&) { ++barks; });
  for (int i = 0; i < 40; ++i) {
    dog.beat("step");
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  {
    const Watchdog::Waiting waiting(dog);
    std::this_thread::sleep_for(std::chrono::milliseconds(600));
  }
  EXPECT_EQ(barks, 0);
}

TEST(WatchdogTest, WithoutALimitSleeps) {
  std::atomic<int> barks = 0;
  const Watchdog dog(0, [&](const std::string&) { ++barks; });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(barks, 0);
}

}  // namespace
}  // namespace m2mkd
