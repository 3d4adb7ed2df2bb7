#include <optional>

#include <sys/wait.h>

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

TEST_F(FolderLockTest, RefreshKeepsItYoung) {
  FolderLock lock(folder());
  const auto long_ago = std::filesystem::file_time_type::clock::now() - std::chrono::hours(1);
  std::filesystem::last_write_time(at("lock"), long_ago);
  lock.refresh();
  EXPECT_GT(std::filesystem::last_write_time(at("lock")), long_ago + std::chrono::minutes(50));
}

}  // namespace
}  // namespace m2mkd
