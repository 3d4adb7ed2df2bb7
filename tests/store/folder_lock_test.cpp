#include <atomic>
#include <fstream>
#include <functional>
#include <iterator>
#include <sstream>
#include <thread>

#include <sys/wait.h>

#include <m2mkd/store/folder_lock.hpp>
#include <m2mkd/store/text_file.hpp>

#include "scratch.hpp"

namespace m2mkd {
namespace {

using testing::HasSubstr;

class FolderLockTest : public test::Scratch {
 protected:
  std::string refusal() {
    return test::message_of([&] { FolderLock second(folder()); });
  }
};

TEST_F(FolderLockTest, ASecondHolderIsRefusedAtOnceAndTheFirstNamed) {
  FolderLock first(folder());
  EXPECT_THAT(read_text_file(at("lock")), HasSubstr(std::to_string(::getpid())));
  EXPECT_THAT(refusal(),
              testing::AllOf(HasSubstr(folder().string()),
                             HasSubstr("process " + std::to_string(::getpid()) + " on host")));
}

TEST_F(FolderLockTest, ReleaseLetsTheSameProcessTakeItAgain) {
  for (int i = 0; i < 3; ++i) {
    FolderLock lock(folder() / "made");
    EXPECT_THROW(FolderLock{folder() / "made"}, Error);
  }
  EXPECT_EQ(read_text_file(folder() / "made" / "lock"), "");
}

TEST_F(FolderLockTest, AnotherProcessHoldsItUntilItDies) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const auto child = ::fork();
  if (child == 0) {
    FolderLock lock(folder());
    [[maybe_unused]] const auto told = ::write(ready[1], "x", 1);
    ::pause();
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_THAT(refusal(), HasSubstr("process " + std::to_string(child)));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_NE(read_text_file(at("lock")), "") << "a killed process leaves its text";
  EXPECT_NO_THROW(FolderLock{folder()});
}

// Waits for what another thread does.
bool comes_true(const std::function<bool()>& fact) {
  for (int i = 0; i < 2000 && !fact(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  return fact();
}

TEST_F(FolderLockTest, AHolderKeepsItsFileYoung) {
  FolderLock lock(folder(), {.refresh = std::chrono::milliseconds(10)});
  const auto clock_now = [] { return std::filesystem::file_time_type::clock::now(); };
  std::filesystem::last_write_time(at("lock"), clock_now() - std::chrono::hours(1));
  EXPECT_TRUE(comes_true([&] {
    return std::filesystem::last_write_time(at("lock")) > clock_now() - std::chrono::minutes(10);
  }));
}

TEST_F(FolderLockTest, AForeignFileOfThatNameIsRefusedAndKept) {
  write_text_file(at("lock"), "my own notes\n");
  EXPECT_THAT(refusal(), HasSubstr("is no lock of this program"));
  EXPECT_EQ(read_text_file(at("lock")), "my own notes\n");
}

TEST_F(FolderLockTest, WhoLosesItIsToldAndLeavesTheOthersText) {
  std::atomic<bool> told = false;
  {
    FolderLock lock(folder(), {.refresh = std::chrono::milliseconds(10),
                               .lost = [&](const std::string&) { told = true; }});
    std::ofstream(at("lock")) << "elsewhere 7 now\n";
    EXPECT_TRUE(comes_true([&] { return told.load(); }));
  }
  EXPECT_EQ(read_text_file(at("lock")), "elsewhere 7 now\n");
}

// Where the file system has no locks, the text alone decides.
class TextLockTest : public FolderLockTest {
 protected:
  static LockRules rules() { return {.flock = false, .settle = std::chrono::milliseconds(1)}; }
  bool is_free() {
    try {
      FolderLock second(folder(), rules());
      return true;
    } catch (const Error&) {
      return false;
    }
  }
  /// What a holder in this process writes, as words: host, pid, time, kernel, start.
  std::vector<std::string> words() {
    std::istringstream text;
    {
      FolderLock lock(folder(), rules());
      text.str(read_text_file(at("lock")));
    }
    return {std::istream_iterator<std::string>(text), {}};
  }
  void leave(const std::vector<std::string>& words) {
    std::ofstream out(at("lock"));
    for (const auto& word : words) out << word << ' ';
  }
  void age(std::chrono::seconds by) {
    std::filesystem::last_write_time(at("lock"), std::filesystem::last_write_time(at("lock")) - by);
  }
};

TEST_F(TextLockTest, HeldWhileTheHolderLives) {
  FolderLock first(folder(), rules());
  age(std::chrono::hours(2));  // of a process of this host no refresh is needed
  EXPECT_FALSE(is_free());
}

TEST_F(TextLockTest, FreeWhenItIsReleased) {
  { FolderLock first(folder(), rules()); }
  EXPECT_TRUE(is_free());
}

TEST_F(TextLockTest, FreeWhenItsProcessOnThisHostIsGone) {
  const auto child = ::fork();
  if (child == 0) {
    FolderLock lock(folder(), rules());
    ::_exit(0);  // without releasing it
  }
  ::waitpid(child, nullptr, 0);
  EXPECT_THAT(read_text_file(at("lock")), HasSubstr(std::to_string(child)));
  EXPECT_TRUE(is_free());
}

TEST_F(TextLockTest, FreeWhenItsProcessIdBelongsToAnotherProcessNow) {
  auto text = words();
  ASSERT_EQ(text.size(), 5U);
  leave(text);
  EXPECT_FALSE(is_free()) << "this very process";
  text[4] = "1";  // one of the same id that began at another time
  leave(text);
  EXPECT_TRUE(is_free());
}

TEST_F(TextLockTest, AHolderElsewhereHasItWhileItRefreshes) {
  for (const std::size_t word : {0U, 3U}) {  // another host; another boot or process namespace
    auto text = words();
    text[word] = "other";
    text[1] = "999999999";
    leave(text);
    EXPECT_FALSE(is_free()) << "fresh";
    age(std::chrono::seconds(599));
    EXPECT_FALSE(is_free());
    age(std::chrono::seconds(60));
    EXPECT_TRUE(is_free());
  }
}

}  // namespace
}  // namespace m2mkd
