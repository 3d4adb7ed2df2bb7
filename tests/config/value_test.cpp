#include <bit>
#include <cstdlib>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/random.hpp>
#include <m2mkd/config/keys.hpp>
#include <m2mkd/config/value.hpp>

namespace m2mkd {

enum class Colour { red, green };
template <>
struct EnumNames<Colour> {
  static constexpr std::array<std::pair<Colour, std::string_view>, 2> names{
      {{Colour::red, "red"}, {Colour::green, "green"}}};
};

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Integers = std::vector<std::int64_t>;

template <class T>
std::string complaint(std::string_view text) {
  try {
    parse_value<T>(text);
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return {};
}

TEST(Value, BoolsAreReadInEveryUsualSpelling) {
  for (auto yes : {"true", "yes", "on", "1"}) EXPECT_TRUE(parse_value<bool>(yes));
  for (auto no : {"false", "no", "off", "0"}) EXPECT_FALSE(parse_value<bool>(no));
  EXPECT_EQ(complaint<bool>("2"), "not true or false");
  EXPECT_EQ(complaint<bool>(""), "not true or false");
}

TEST(Value, IntegersAreReadWholeOrNotAtAll) {
  EXPECT_EQ(parse_value<std::int64_t>("-12"), -12);
  EXPECT_EQ(parse_value<std::int64_t>("+12"), 12);
  EXPECT_EQ(parse_value<std::int64_t>("9223372036854775807"),
            std::numeric_limits<std::int64_t>::max());
  for (auto wrong : {"", "1.5", "12 ", "0x10", "1e3", "+", "+-1", "\"3\""})
    EXPECT_EQ(complaint<std::int64_t>(wrong), "not an integer");
  EXPECT_THAT(complaint<std::int64_t>("9223372036854775808"), HasSubstr("too large"));
}

TEST(Value, NumbersReadBackToTheSameBits) {
  Random random(1, Purpose::test);
  for (int i = 0; i < 10000; ++i) {
    const std::uint64_t high = random.bits();
    const auto value = std::bit_cast<double>(high << 32 | random.bits());
    if (value != value) continue;
    const auto back = parse_value<double>(print_value(value));
    ASSERT_EQ(std::bit_cast<std::uint64_t>(back), std::bit_cast<std::uint64_t>(value))
        << print_value(value);
  }
  EXPECT_EQ(print_value(0.1), "0.1");
  EXPECT_EQ(print_value(300.0), "300");
  EXPECT_EQ(parse_value<double>("5e-4"), 5e-4);
  for (auto wrong : {"", "nan", "1,5", "1.5x"}) EXPECT_EQ(complaint<double>(wrong), "not a number");
}

TEST(Value, ListsAreWrittenWithBlanksOrCommas) {
  EXPECT_THAT(parse_value<Integers>("4 3,3,  4"), ElementsAre(4, 3, 3, 4));
  EXPECT_THAT(parse_value<Integers>(" "), IsEmpty());
  EXPECT_THAT(parse_value<std::vector<std::string>>("e2e,kd"), ElementsAre("e2e", "kd"));
  EXPECT_THAT(parse_value<std::vector<Colour>>("green red"),
              ElementsAre(Colour::green, Colour::red));
  EXPECT_EQ(print_value(Integers{4, 3, 3}), "4 3 3");
  EXPECT_EQ(complaint<Integers>("4 x"), "not an integer");
}

TEST(Value, EnumsNameTheirChoices) {
  EXPECT_EQ(parse_value<Colour>("green"), Colour::green);
  EXPECT_EQ(print_value(Colour::red), "red");
  EXPECT_EQ(complaint<Colour>("blue"), "not one of: red, green");
  EXPECT_EQ(value_type<Colour>(), "one of: red green");
  EXPECT_EQ(value_type<std::vector<Colour>>(), "list of: red green");
  EXPECT_EQ(value_type<Integers>(), "list of integers");
}

TEST(Value, PathsExpandTheEnvironmentAndTextsDoNot) {
  setenv("M2MKD_TEST_ROOM", "/scratch", 1);
  EXPECT_EQ(parse_value<std::filesystem::path>("${M2MKD_TEST_ROOM}/a.h5"), "/scratch/a.h5");
  EXPECT_EQ(parse_value<std::string>("${M2MKD_TEST_ROOM}/a.h5"), "${M2MKD_TEST_ROOM}/a.h5");
}

TEST(ExpandEnvironment, ReplacesVariablesAndHome) {
  setenv("HOME", "/home/ada", 1);
  setenv("M2MKD_TEST_A", "a${M2MKD_TEST_A}", 1);
  EXPECT_EQ(expand_environment("~/x"), "/home/ada/x");
  EXPECT_EQ(expand_environment("~"), "/home/ada");
  EXPECT_EQ(expand_environment("/x/~/$HOME"), "/x/~/$HOME");
  EXPECT_EQ(expand_environment("${M2MKD_TEST_A}-${M2MKD_TEST_A}"),
            "a${M2MKD_TEST_A}-a${M2MKD_TEST_A}");  // once, not again
  EXPECT_EQ(expand_environment(""), "");
}

TEST(ExpandEnvironment, NamesAnUnsetVariable) {
  unsetenv("M2MKD_TEST_UNSET");
  try {
    expand_environment("${M2MKD_TEST_UNSET}/x");
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("M2MKD_TEST_UNSET in '${M2MKD_TEST_UNSET}/x' is not set"));
  }
  EXPECT_THROW(expand_environment("${HOME"), Error);
  EXPECT_THROW(expand_environment("${}"), Error);
}

struct Inner {
  double lr = 1e-3;
};
struct Outer {
  Inner inner;
  std::int64_t epochs = 3;
  Colour colour = Colour::red;
};

Keys<Outer> outer_keys() {
  Keys<Inner> inner;
  inner.add("lr", &Inner::lr, "learning rate", within(1e-9, 1e3));
  Keys<Outer> keys;
  keys.include(&Outer::inner, inner);
  keys.add("epochs", &Outer::epochs, "passes over the data", within<std::int64_t>(0, 1000));
  keys.add("colour", &Outer::colour, "a colour");
  return keys;
}

TEST(Keys, FillTheFieldsThatAreSetAndKeepTheOthers) {
  Settings settings;
  settings.set("lr", "0.5", {"a.ini", 1});
  Outer outer;
  std::vector<std::string> problems;
  outer_keys().read(
      outer, [&](std::string_view name) { return settings.find(name); }, problems);
  EXPECT_THAT(problems, IsEmpty());
  EXPECT_EQ(outer.inner.lr, 0.5);
  EXPECT_EQ(outer.epochs, 3);
  EXPECT_EQ(outer_keys().keys()[0].print(outer), "0.5");
}

TEST(Keys, ReportEveryBadValueWithItsPlaceAndKeepTheDefault) {
  Settings settings;
  settings.set("lr", "0", {"a.ini", 1});
  settings.set("epochs", "-1", {"a.ini", 2});
  settings.set("colour", "blue", {"command line", 0});
  Outer outer;
  std::vector<std::string> problems;
  outer_keys().read(
      outer, [&](std::string_view name) { return settings.find(name); }, problems);
  EXPECT_THAT(problems, ElementsAre("a.ini:1: lr = 0: must be from 1e-09 to 1000",
                                    "a.ini:2: epochs = -1: must be from 0 to 1000",
                                    "command line: colour = blue: not one of: red, green"));
  EXPECT_EQ(outer.inner.lr, 1e-3);
  EXPECT_EQ(outer.epochs, 3);
}

TEST(Checks, TestTheBoundsThemselves) {
  EXPECT_EQ(within<double>(0, 1)(1.0), "");
  EXPECT_EQ(within<double>(0, 1)(0.0), "");
  EXPECT_EQ(within<double>(0, 1)(1.5), "must be from 0 to 1");
  EXPECT_EQ(within(0.0, 1.0).text(), "0 to 1");
  EXPECT_EQ(below(0.0, 1.0)(0.0), "");
  EXPECT_EQ(below(0.0, 1.0)(1.0), "must be from 0 to below 1");
  EXPECT_EQ((each_within<std::int64_t>(1, 9, 1)({1, 9})), "");
  EXPECT_EQ((each_within<std::int64_t>(1, 9, 1)({1, 10})), "10 is not from 1 to 9");
  EXPECT_EQ((each_within<std::int64_t>(1, 9, 1)({})), "needs at least 1 number");
}

}  // namespace
}  // namespace m2mkd
