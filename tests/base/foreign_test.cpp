// Exceptions of libraries as sentences.

#include <filesystem>
#include <new>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/foreign.hpp>

namespace m2mkd {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(SentenceOf, NamesWhatIsMissing) {
  EXPECT_EQ(sentence_of(Error("a.ini:3: no such key")), "a.ini:3: no such key");
  EXPECT_THAT(sentence_of(std::bad_alloc()), HasSubstr("out of memory"));
  EXPECT_THAT(sentence_of(std::runtime_error("could not create a primitive")),
              HasSubstr("out of memory"));
  try {
    std::filesystem::create_directory("/proc/none/below");
    FAIL();
  } catch (const std::exception& error) {
    EXPECT_THAT(sentence_of(error), AllOf(HasSubstr("/proc/none/below: No such file"),
                                          Not(HasSubstr("filesystem error"))));
  }
}

TEST(SentenceOf, TakesNoStackTraceAlong) {
  EXPECT_THAT(sentence_of(std::runtime_error("stoi\nframe #0: 0x1234")),
              AllOf(HasSubstr("stoi"), HasSubstr("report"), Not(HasSubstr("frame"))));
}

TEST(SentenceOf, ShowsBytesThatAreNoText) {
  EXPECT_EQ(sentence_of(Error("caf\xE9/\xC3\xA9\x1B[31m\xC3")), "caf\\xE9/\xC3\xA9\\x1B[31m\\xC3");
}

}  // namespace
}  // namespace m2mkd
