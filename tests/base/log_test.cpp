#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/log.hpp>

namespace m2mkd {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

template <class Action>
std::string stderr_of(Action action) {
  ::testing::internal::CaptureStderr();
  action();
  return ::testing::internal::GetCapturedStderr();
}

std::filesystem::path fresh_file(const std::string& name) {
  const auto path = std::filesystem::path(::testing::TempDir()) / (name + std::to_string(getpid()));
  std::filesystem::remove_all(path);
  return path;
}

std::string text_of(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

/// What a terminal of 40 columns receives from `action`, run in a process of its own; empty where
/// no terminal can be made.
template <class Action>
std::string terminal_output_of(Action action) {
  winsize size{.ws_row = 24, .ws_col = 40, .ws_xpixel = 0, .ws_ypixel = 0};
  int master = -1;
  const pid_t child = forkpty(&master, nullptr, nullptr, &size);
  if (child < 0) return {};
  if (child == 0) {
    action();
    _exit(0);
  }
  std::string text;
  char buffer[256];
  for (ssize_t n; (n = read(master, buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<std::size_t>(n));
  waitpid(child, nullptr, 0);
  close(master);
  return text;
}

class Log : public ::testing::Test {
 protected:
  void SetUp() override {
    setenv("NO_COLOR", "1", 1);
  }  // also where a person runs the tests on a terminal
  void TearDown() override { log::set_speaker(0, 1, true); }
};

TEST_F(Log, LinesHaveTimeAndLevel) {
  EXPECT_THAT(stderr_of([] { log::info("step {}", 3); }),
              MatchesRegex("[0-9]{2}:[0-9]{2}:[0-9]{2} info step 3\n"));
  EXPECT_THAT(stderr_of([] { log::warn("slow"); }), MatchesRegex("[0-9:]{8} warn slow\n"));
}

TEST_F(Log, BracesInTextAreText) {
  EXPECT_THAT(stderr_of([] { log::write(log::Level::error, "{} %v"); }),
              MatchesRegex("[0-9:]{8} error \\{\\} %v\n"));
}

TEST_F(Log, ASilentRankOnlyWarns) {
  log::set_speaker(3, 4, false);
  EXPECT_EQ(stderr_of([] { log::info("hello"); }), "");
  EXPECT_THAT(stderr_of([] { log::error("lost {}", "x"); }),
              MatchesRegex("[0-9:]{8} error rank 3: lost x\n"));
}

TEST_F(Log, FilesAreAppendedAndTheLastOneCounts) {
  const auto first = fresh_file("log_first"), second = fresh_file("log_second");
  stderr_of([&] {
    log::open_file(first);
    log::info("one");
    log::open_file(second);
    log::info("two");
    log::open_file(first);
    log::info("three");
  });
  EXPECT_THAT(text_of(first), MatchesRegex("[0-9:]{8} info one\n[0-9:]{8} info three\n"));
  EXPECT_THAT(text_of(second), MatchesRegex("[0-9:]{8} info two\n"));
  EXPECT_THROW(log::open_file("/proc/none/run.log"), Error);
}

TEST_F(Log, AFullDiskDoesNotStopTheProgram) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  const auto text = stderr_of([] {
    log::open_file("/dev/full");
    log::info("one");
    log::info("two");
  });
  EXPECT_THAT(text, MatchesRegex(".* info one\n.* warn the log file is given up.*\n.* info two\n"));
}

TEST_F(Log, ThreadsDoNotMixTheirLines) {
  const auto file = fresh_file("log_threads");
  stderr_of([&] {
    log::open_file(file);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([] {
        for (int i = 0; i < 100; ++i) log::info("{}", std::string(50, 'x'));
      });
    for (auto& thread : threads) thread.join();
  });
  std::istringstream lines(text_of(file));
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count)
    ASSERT_THAT(line, MatchesRegex("[0-9:]{8} info x{50}"));
  EXPECT_EQ(count, 400);
}

using LogEnvironment = Log;

TEST_F(LogEnvironment, LevelComesFromTheEnvironment) {
  GTEST_FLAG_SET(death_test_style,
                 "threadsafe");  // a new process: the level is read at the first line
  const auto talk = [] {
    log::debug("quiet");
    log::info("normal");
    log::warn("loud");
    std::exit(0);
  };
  setenv("M2MKD_LOG", "debug", 1);
  EXPECT_EXIT(talk(), ::testing::ExitedWithCode(0), "debug quiet\n.*info normal\n");
  setenv("M2MKD_LOG", "warn", 1);
  EXPECT_EXIT(talk(), ::testing::ExitedWithCode(0), "^[0-9:]{8} warn loud\n$");
  setenv("M2MKD_LOG", "noisy", 1);
  EXPECT_EXIT(talk(), ::testing::ExitedWithCode(0),
              "M2MKD_LOG=noisy.*known: debug info warn error");
  unsetenv("M2MKD_LOG");
}

TEST_F(Log, ProgressIsAnInfoLineWithoutATerminal) {
  log::ProgressLine progress;
  EXPECT_THAT(stderr_of([&] {
                progress.show("step=1");
                progress.show("step=2");
                progress.done();
              }),
              MatchesRegex("[0-9:]{8} info step=1\n[0-9:]{8} info step=2\n"));
}

TEST_F(Log, ProgressIsRedrawnOnATerminal) {
  const auto text = terminal_output_of([] {
    log::ProgressLine progress;
    progress.show("step 1");
    progress.show("step 2 " + std::string(60, '.'));
    log::write(log::Level::info, "between");
    progress.done();
    progress.show("step 3");
    progress.done();
    progress.done();
  });
  if (text.empty()) GTEST_SKIP() << "no pseudo-terminal here";
  EXPECT_THAT(text, HasSubstr("\rstep 1\033[K\rstep 2 "));
  EXPECT_THAT(text, HasSubstr(std::string("step 2 ") + std::string(32, '.') +
                              "\033[K"));                         // cut at 39 of 40 columns
  EXPECT_THAT(text, HasSubstr("\033[K\r\033[K"));                 // cleared before the line
  EXPECT_THAT(text, HasSubstr("between\r\n\rstep 3\033[K\r\n"));  // one line end, not two
  EXPECT_THAT(text, Not(HasSubstr("\r\n\r\n")));
}

// Runs only as the child of the next test: the log decides about colours once, at its first line.
TEST(LogChild, DISABLED_Speaks) {
  log::warn("colourful");
}

TEST(LogColours, OnATerminalWithoutNoColor) {
  const auto speak = [] {
    execl("/proc/self/exe", "test_base", "--gtest_filter=LogChild.*",
          "--gtest_also_run_disabled_tests", nullptr);
  };
  setenv("TERM", "xterm-256color", 1);
  unsetenv("NO_COLOR");
  const auto coloured = terminal_output_of(speak);
  setenv("NO_COLOR", "1", 1);
  const auto plain = terminal_output_of(speak);
  if (plain.empty()) GTEST_SKIP() << "no pseudo-terminal here";
  EXPECT_THAT(plain, HasSubstr(" warn colourful"));
  EXPECT_THAT(coloured, HasSubstr("warn\033[m colourful"));
}

}  // namespace
}  // namespace m2mkd
