#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/config/settings.hpp>

namespace m2mkd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Problems = std::vector<std::string>;

Problems problems_of(std::string_view text) {
  Settings settings;
  Problems problems;
  settings.add_ini(text, "a.ini", problems);
  return problems;
}

std::map<std::string, std::string> values(const Settings& settings) {
  std::map<std::string, std::string> result;
  for (const auto& [key, setting] : settings.all()) result[key] = setting.value;
  return result;
}

TEST(Ini, KeysCarrySectionValueAndLine) {
  Settings settings;
  Problems problems;
  settings.add_ini(
      "# first\n\n[train]\r\n  lr = 5e-4   # peak\nname=\"a b\"\nempty =\n[final.e2e]\nepochs = "
      "3\n[method.x]\n"
      "distill.alpha = a=b",
      "a.ini", problems);
  EXPECT_THAT(problems, IsEmpty());
  EXPECT_EQ(values(settings),
            (std::map<std::string, std::string>{{"train.lr", "5e-4"},
                                                {"train.name", "\"a b\""},
                                                {"train.empty", ""},
                                                {"final.e2e.epochs", "3"},
                                                {"method.x.distill.alpha", "a=b"}}));
  EXPECT_EQ(settings.find("train.lr")->origin.text(), "a.ini:4");
  EXPECT_EQ(settings.find("method.x.distill.alpha")->origin.text(), "a.ini:10");
  EXPECT_EQ(settings.find("train.l"), nullptr);
}

TEST(Ini, EveryBadLineIsReportedAtOnce) {
  const auto problems = problems_of(
      "[train]\n; note\n; lr = 1\nlr : 3\nlr = 1 ; peak\nl r = 1\n= 4\n[]\nx = 1\n[a b]\n[ok]\ny = "
      "2\n");
  EXPECT_THAT(problems, ElementsAre("a.ini:2: ';' does not start a comment; use '#'",
                                    "a.ini:3: ';' does not start a comment; use '#'",
                                    "a.ini:4: 'lr : 3' is neither 'key = value' nor '[section]'",
                                    "a.ini:5: ';' does not start a comment here; use '#'",
                                    HasSubstr("a.ini:6: 'l r' cannot be a key"),
                                    HasSubstr("a.ini:7: '' cannot be a key"),
                                    "a.ini:8: '[]' cannot be a section",
                                    "a.ini:10: '[a b]' cannot be a section"));
}

TEST(Ini, LinesStayRightAfterABadOne) {
  Settings settings;
  Problems problems;
  settings.add_ini("[a]\nbad\nx = 1\n[b b]\nx = 2\n[c]\n\nx = 3", "a.ini", problems);
  EXPECT_EQ(problems.size(), 2u);
  EXPECT_EQ(settings.find("a.x")->value, "1");
  EXPECT_EQ(settings.find("a.x")->origin.line, 3);
  EXPECT_EQ(settings.find("c.x")->origin.line, 8);
}

TEST(Ini, AKeyTwiceInOneFileNamesBothLines) {
  EXPECT_THAT(problems_of("[a]\nx = 1\n[b]\nx = 1\n[a]\nx = 1\n"),
              ElementsAre("a.ini:6: key 'a.x' was already set on line 2; keep one"));
}

TEST(Ini, AByteOrderMarkIsPassedOver) {
  EXPECT_THAT(problems_of("\xEF\xBB\xBF[a]\nx = 1\n"), IsEmpty());
}

TEST(Ini, OddTextsNeitherCrashNorPass) {
  for (auto text : {"", "\n", "#", "[", "]", "[]", "=", "[a]", "[.]", "[a.]\nx=1", "[a]=[b]",
                    "x\0y = 1", "\xFF\xFE = 1"})
    problems_of(text);
  EXPECT_THAT(problems_of("[a.]\nx=1"), ElementsAre("a.ini:1: '[a.]' cannot be a section"));
  EXPECT_EQ(problems_of(std::string_view("x = a\0b", 7)).size(), 1u);
}

TEST(Settings, LaterFilesAndThenFlagsWin) {
  Settings settings;
  Problems problems;
  settings.add_ini("[a]\nx = 1\ny = 1\nz = 1", "one.ini", problems);
  settings.add_ini("[a]\nx = 2\ny = 2", "two.ini", problems);
  settings.set("a.x", " 3 ", {"command line", 0});
  EXPECT_THAT(problems, IsEmpty());
  EXPECT_EQ(values(settings),
            (std::map<std::string, std::string>{{"a.x", "3"}, {"a.y", "2"}, {"a.z", "1"}}));
  EXPECT_EQ(settings.find("a.x")->origin.text(), "command line");
  EXPECT_EQ(settings.find("a.y")->origin.text(), "two.ini:3");
}

TEST(Settings, TheirIniReadsBackToTheSame) {
  Settings settings;
  for (auto key : {"top", "a.x", "a.b.x", "a.c", "method.m.distill.alpha", "a.b.c.d.e", "z-1.y_2"})
    settings.set(key, std::string("value of ") + key + "; \"quoted\"", {"built in", 0});
  settings.set("a.empty", "", {"built in", 0});
  Settings again;
  Problems problems;
  again.add_ini(settings.ini(), "again", problems);
  EXPECT_THAT(problems, IsEmpty());
  EXPECT_EQ(values(again), values(settings));
  EXPECT_EQ(again.ini(), settings.ini());
  EXPECT_THAT(settings.ini(), HasSubstr("[method.m]\ndistill.alpha = "));
}

TEST(Settings, RefuseWhatCouldNotBeReadBack) {
  Settings settings;
  const Origin flag{"command line", 0};
  for (auto value : {"/data/#1", "a\nb", "; a", "a ; b", "a\rb"})
    EXPECT_THROW(settings.set("a.x", value, flag), ConfigError);
  for (auto key : {"", ".a", "a.", "a..b", "a b", "[a]", "a=b"})
    EXPECT_THROW(settings.set(key, "1", flag), ConfigError);
  EXPECT_TRUE(settings.all().empty());
}

TEST(AddFile, ReadsAFileAndReportsOneThatCannotBe) {
  const auto path = std::filesystem::path(::testing::TempDir()) / "m2mkd_settings.ini";
  std::ofstream(path) << "[a]\nx = 1\nbad\n";
  Settings settings;
  Problems problems;
  settings.add_file(path, problems);
  EXPECT_THAT(problems, ElementsAre(HasSubstr(path.string() + ":3: 'bad'")));
  EXPECT_EQ(settings.find("a.x")->origin.text(), path.string() + ":2");

  std::ofstream(path, std::ios::trunc).close();
  problems.clear();
  settings.add_file(path, problems);
  EXPECT_THAT(problems, IsEmpty());

  settings.add_file("/nowhere/b.ini", problems);
  settings.add_file(std::filesystem::temp_directory_path(), problems);
  EXPECT_THAT(problems, ElementsAre(HasSubstr("/nowhere/b.ini: cannot be read [No such file"),
                                    HasSubstr("is a folder")));
}

TEST(Nearest, FindsSlipsAndNothingElse) {
  const std::vector<std::string> words{"epochs", "lr", "warmup_epochs", "log_steps"};
  EXPECT_EQ(nearest("lrr", words), "lr");
  EXPECT_EQ(nearest("rl", words), "lr");  // a swap is one slip
  EXPECT_EQ(nearest("epcohs", words), "epochs");
  EXPECT_EQ(nearest("LOG-STEPS", words), "log_steps");
  EXPECT_EQ(nearest("log_step", words), "log_steps");
  EXPECT_EQ(nearest("momentum", words), "");
  EXPECT_EQ(nearest("xy", words), "");
  EXPECT_EQ(nearest("", words), "");
}

}  // namespace
}  // namespace m2mkd
