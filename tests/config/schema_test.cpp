#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <m2mkd/config/schema.hpp>

namespace m2mkd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

struct Train {
  double lr = 1e-3;
  std::int64_t epochs = 10;
  std::vector<std::int64_t> sizes{3, 4};
};
struct Distill {
  double alpha = 0.5;
};
struct Data {
  std::filesystem::path train = "${SCRATCH}/train.h5";
  std::string note;
};
struct Nothing {};

Schema schema() {
  Keys<Train> train;
  train.add("lr", &Train::lr, "peak learning rate");
  train.add("epochs", &Train::epochs, "passes over the data");
  train.add("sizes", &Train::sizes, "a list\nof sizes");
  Keys<Distill> distill;
  distill.add("alpha", &Distill::alpha, "weight of the KL term");
  Keys<Data> data;
  data.add("train", &Data::train, "packed training set").add("note", &Data::note, "any text");
  Schema result;
  result.section("train", "How everything is trained", train);
  result.section("distill", "One pair", distill, {"train"}, true);
  result.section("final", "The student end to end", Keys<Nothing>(), {"train"}, true);
  result.section("data", "The images", data, {}, true);
  return result;
}

const Schema::Qualifiers qualifiers{
    {"final", {"e2e", "kd", "m2mkd"}}, {"distill", {"m2mkd"}}, {"data", {"distill"}}};

Settings settings_of(std::string_view text) {
  Settings settings;
  std::vector<std::string> problems;
  settings.add_ini(text, "a.ini", problems);
  EXPECT_THAT(problems, IsEmpty());
  return settings;
}

std::vector<std::string> unknown(std::string_view text) {
  return schema().unknown(settings_of(text), qualifiers, {"method"});
}

TEST(Schema, KnowsItsKeysAndInheritedOnes) {
  EXPECT_TRUE(schema().knows("train", "lr"));
  EXPECT_TRUE(schema().knows("distill", "alpha"));
  EXPECT_TRUE(schema().knows("distill", "lr"));
  EXPECT_FALSE(schema().knows("train", "alpha"));
  EXPECT_FALSE(schema().knows("data", "lr"));
  EXPECT_FALSE(schema().knows("nothing", "lr"));
}

TEST(Schema, AcceptsPlainInheritedAndQualifiedKeysAndFreeSections) {
  EXPECT_THAT(unknown("[train]\nlr = 1\n[distill]\nlr = 1\nalpha = 1\n[distill.m2mkd]\nalpha = "
                      "2\n[final.e2e]\nepochs = 3\n"
                      "[data.distill]\ntrain = x\n[method.any]\nwhatever.else = 1\n"),
              IsEmpty());
}

TEST(Schema, NamesTheNearestKeyWithFileAndLine) {
  EXPECT_THAT(
      unknown("[train]\n\nlrr = 1\n[distil]\nalhpa = 1\n[final.e2f]\nepochs = 1\n"),
      ElementsAre("a.ini:5: unknown key 'distil.alhpa'; did you mean 'distill.alpha'?",
                  "a.ini:7: unknown key 'final.e2f.epochs'; did you mean 'final.e2e.epochs'?",
                  "a.ini:3: unknown key 'train.lrr'; did you mean 'train.lr'?"));
}

TEST(Schema, FindsTheSectionOfAMisplacedKey) {
  EXPECT_THAT(unknown("[train]\nalpha = 1\n"),
              ElementsAre(HasSubstr("did you mean 'distill.alpha'?")));
  EXPECT_THAT(unknown("lr = 1\n"),
              ElementsAre(HasSubstr("unknown key 'lr'; did you mean 'train.lr'?")));
}

TEST(Schema, SaysWhatMayQualifyASection) {
  EXPECT_THAT(unknown("[final.curriculum]\nepochs = 1\n"),
              ElementsAre("a.ini:2: unknown key 'final.curriculum.epochs'; [final.curriculum]: "
                          "'curriculum' is none of: e2e kd m2mkd"));
  EXPECT_THAT(unknown("[train.e2e]\nepochs = 1\n"),
              ElementsAre(HasSubstr("unknown key 'train.e2e.epochs'")));
}

TEST(Schema, SuggestsSectionsWhereNoKeyIsNear) {
  EXPECT_THAT(unknown("[trian]\nmomentum = 1\n[metohd.x]\nbase = kd\n"),
              ElementsAre(HasSubstr("there is no section [metohd]: did you mean [method]?"),
                          HasSubstr("there is no section [trian]: did you mean [train]?")));
  EXPECT_THAT(unknown("[wing]\nspan = 1\n[train]\nmomentum = 1\n"),
              ElementsAre("a.ini:4: unknown key 'train.momentum'; [train] has no such key "
                          "(--print-defaults lists all keys)",
                          "a.ini:2: unknown key 'wing.span'; there is no section [wing]; sections: "
                          "method train distill final data"));
}

TEST(Schema, DefaultsAreACommentedTemplateThatReadsBack) {
  const auto text = schema().defaults();
  EXPECT_THAT(
      text,
      HasSubstr(
          "# How everything is trained\n[train]\n# peak learning rate (number)\nlr = 0.001\n"));
  EXPECT_THAT(text, HasSubstr("# a list\n# of sizes (list of integers)\nsizes = 3 4\n"));
  EXPECT_THAT(text, HasSubstr("[distill]\n# weight of the KL term (number)\n# alpha = 0.5\n"));
  EXPECT_THAT(unknown(text), IsEmpty());
  EXPECT_EQ(schema().resolved(settings_of(text)), schema().resolved(Settings()));
}

TEST(Schema, ResolvedHoldsDefaultsAndWhatWasSet) {
  const auto text =
      schema().resolved(settings_of("[train]\nlr = 1.50\n[final.e2e]\nepochs = 7\n[final]\nlr = "
                                    "2\n[data]\nnote = ${HOME}\n[method.x]\nbase = kd\n"
                                    "distill.alpha = 0\n[data.distill]\ntrain = d.h5\n"));
  EXPECT_EQ(text,
            "[train]\nlr = 1.50\nepochs = 10\nsizes = 3 4\n\n"
            "[data]\ntrain = ${SCRATCH}/train.h5\nnote = ${HOME}\n\n"
            "[data.distill]\ntrain = d.h5\n\n"
            "[final]\nlr = 2\n\n"
            "[final.e2e]\nepochs = 7\n\n"
            "[method.x]\nbase = kd\ndistill.alpha = 0\n");
}

TEST(Schema, ResolvedReadsBackToItself) {
  for (auto text : {"", "[train]\nlr = 1.50\n",
                    "[distill]\nalpha = 1\n[distill.m2mkd]\nlr = 3\n[final.kd]\nsizes =\n",
                    "[method.x]\nbase = kd\na.b.c = 1\n[data.distill]\nnote = \"x\"\n",
                    "top = 1\n[odd]\nx = 1\n[train]\ny = 2\n"}) {
    const auto once = schema().resolved(settings_of(text));
    EXPECT_EQ(schema().resolved(settings_of(once)), once);
  }
}

TEST(Schema, HasKeysBeforeAllSections) {
  struct Global {
    std::int64_t compat = 0;
  };
  Keys<Global> global;
  global.add("compat", &Global::compat, "for everything");
  Keys<Distill> distill;
  distill.add("alpha", &Distill::alpha, "weight");
  Schema s;
  s.section("", "Everything", global);
  s.section("distill", "One pair", distill);
  const auto set = settings_of("compat = 3\n[distill]\nalpha = 1\n");
  EXPECT_THAT(s.unknown(set, {}, {}), IsEmpty());
  EXPECT_THAT(s.resolved(set), HasSubstr("compat = 3\n\n[distill]\nalpha = 1\n"));
  EXPECT_EQ(s.resolved(settings_of(s.resolved(set))), s.resolved(set));
  EXPECT_THAT(s.unknown(settings_of(s.defaults()), {}, {}), IsEmpty());
  EXPECT_THAT(s.unknown(settings_of("compta = 3\n"), {}, {}),
              ElementsAre(HasSubstr("did you mean 'compat'?")));
}

}  // namespace
}  // namespace m2mkd
