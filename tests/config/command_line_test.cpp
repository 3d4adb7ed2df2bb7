#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/config/settings.hpp>

namespace m2mkd {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

CommandLine split(const std::vector<std::string>& arguments) {
  return split_command_line(arguments, {"ranks", "logits"}, {"json", "help"});
}

std::string complaint(const std::vector<std::string>& arguments) {
  try {
    split(arguments);
  } catch (const ConfigError& e) {
    return e.what();
  }
  return {};
}

TEST(CommandLine, SplitsWordsSettingsAndFlags) {
  const auto line = split({"run", "a.ini", "--train.epochs", "2", "b.ini", "--run.methods",
                           "e2e,kd", "--ranks", "8", "--json", "c.ini", "--train.log_steps"});
  EXPECT_THAT(line.words, ElementsAre("run", "a.ini", "b.ini", "c.ini"));
  EXPECT_THAT(line.settings, ElementsAre(Pair("train.epochs", "2"), Pair("run.methods", "e2e,kd"),
                                         Pair("train.log_steps", "true")));
  EXPECT_THAT(line.flags, ElementsAre(Pair("json", "true"), Pair("ranks", "8")));
}

TEST(CommandLine, ValuesMayBeAdjacentNegativeOrEmpty) {
  const auto line = split({"--a.b=-1", "--a.c", "-2.5e3", "--a.d=", "--a.e=x=y", "--a.f", "",
                           "--ranks=4", "--a.g", "3 3 3"});
  EXPECT_THAT(line.settings,
              ElementsAre(Pair("a.b", "-1"), Pair("a.c", "-2.5e3"), Pair("a.d", ""),
                          Pair("a.e", "x=y"), Pair("a.f", ""), Pair("a.g", "3 3 3")));
  EXPECT_THAT(line.flags, ElementsAre(Pair("ranks", "4")));
  EXPECT_THAT(line.words, IsEmpty());
}

TEST(CommandLine, AFlagFollowedByAFlagIsTrue) {
  const auto line = split({"--a.b", "--a.c", "--", "--word", "-x"});
  EXPECT_THAT(line.settings, ElementsAre(Pair("a.b", "true"), Pair("a.c", "true")));
  EXPECT_THAT(line.words, ElementsAre("--word", "-x"));
}

TEST(CommandLine, TheOrderOfRepeatedSettingsIsKept) {
  EXPECT_THAT(split({"--a.b", "1", "--a.b", "2"}).settings,
              ElementsAre(Pair("a.b", "1"), Pair("a.b", "2")));
}

TEST(CommandLine, NothingIsGuessed) {
  EXPECT_EQ(complaint({"--rank", "8"}),
            "command line: unknown flag '--rank'; did you mean '--ranks'?");
  EXPECT_THAT(complaint({"--js"}), HasSubstr("unknown flag '--js'"));
  EXPECT_THAT(split({"--train.ep", "7"}).settings, ElementsAre(Pair("train.ep", "7")));
}

TEST(CommandLine, AllProblemsComeAtOnce) {
  EXPECT_THAT(
      complaint({"-h", "--ranks", "--json=1", "--volume", "--a..b", "1"}),
      AllOf(
          HasSubstr("unknown flag '-h'"), HasSubstr("flag --ranks needs a value"),
          HasSubstr("flag --json takes no value"),
          HasSubstr("unknown flag '--volume'; known: --ranks --logits --json --help, and settings"),
          HasSubstr("unknown flag '--a..b'")));
}

}  // namespace
}  // namespace m2mkd
