#include <fstream>

#include <unistd.h>

#include "plan/small_config.hpp"

namespace m2mkd {
namespace {

using namespace test;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsSupersetOf;

Config config(const std::string& ini) {
  return Config::from_text(ini, "a.ini");
}
double lr(const Config& config, Phase phase, const Scope& context = "") {
  return config.train(phase, context).schedule.lr;
}

TEST(Config, LooksUpMethodThenBaseThenPhaseThenTrain) {
  const std::vector<std::string> keys{"method.mine.distill.lr",
                                      "distill.mine.lr",
                                      "method.m2mkd.distill.lr",
                                      "distill.m2mkd.lr",
                                      "distill.lr",
                                      "method.mine.train.lr",
                                      "train.mine.lr",
                                      "method.m2mkd.train.lr",
                                      "train.m2mkd.lr",
                                      "train.lr"};
  for (std::size_t first = 0; first < keys.size(); ++first) {
    Changes settings{{"method.mine.base", "m2mkd"}};
    for (std::size_t i = first; i < keys.size(); ++i)
      settings.emplace_back(keys[i], std::to_string(i + 1));
    EXPECT_EQ(lr(Config::read({}, settings), Phase::distill, "mine"),
              static_cast<double>(first + 1))
        << keys[first];
  }
}

TEST(Config, KeepsMethodsAndPhasesApart) {
  const auto c = config("[distill.m2mkd]\nlr = 4\n[train]\nlr = 2\n[method.kd]\nfinal.lr = 3\n");
  EXPECT_EQ(lr(c, Phase::distill), 2);
  EXPECT_EQ(lr(c, Phase::distill, "kd"), 2);
  EXPECT_EQ(lr(c, Phase::final, "m2mkd"), 2);
  EXPECT_EQ(lr(c, Phase::final, "kd"), 3);
}

TEST(Config, HoldsTheShippedMethods) {
  const auto c = config("");
  EXPECT_THAT(c.methods(),
              IsSupersetOf({"e2e", "kd", "incubation", "m2mkd", "m2mkd_nokd", "e2e_long"}));
  EXPECT_EQ(c.final("e2e").start, Start::fresh);
  EXPECT_EQ(c.final("kd").teacher, WholeTeacher::finetune);
  EXPECT_EQ(c.final("incubation").start, Start::incubate);
  EXPECT_EQ(c.final("m2mkd_nokd").start, Start::distill);
  EXPECT_EQ(c.train(Phase::distill, "m2mkd_nokd").objective.alpha, 0);
  EXPECT_EQ(c.train(Phase::distill, "m2mkd").objective.alpha, 0.5);
  EXPECT_EQ(c.final("e2e_long").flops_of, "m2mkd");
}

TEST(Config, OverridesModelsByMethodAndDataByPhase) {
  const auto c = config(
      "[meta]\nwidth = 32\n[meta.incubation]\nwidth = 48\n"
      "[data]\nflip = 0.1\n[data.distill]\nflip = 0.5\n");
  EXPECT_EQ(c.model("meta", "incubation").width, 48);
  EXPECT_EQ(c.model("meta", "m2mkd").width, 32);
  EXPECT_EQ(c.data(Phase::distill).flip, 0.5);
  EXPECT_EQ(c.data(Phase::final).flip, 0.1);
}

TEST(Config, ReportsEveryProblemAtOnceWithFileAndLine) {
  const auto text = problems_of([] {
    config("[train]\nepoch = 3\nlr = fast\n\n[student]\ntop_k = 0.5\n[run]\nmethods = m2mkt\n");
  });
  EXPECT_THAT(text, AllOf(HasSubstr("a.ini:2"), HasSubstr("epochs"), HasSubstr("a.ini:3"),
                          HasSubstr("fast"), HasSubstr("a.ini:6"), HasSubstr("m2mkt")));
}

TEST(Config, ReportsAProblemOnceThoughManySectionsInheritIt) {
  const auto text = problems_of([] { config("[train]\nlr = fast\n"); });
  EXPECT_EQ(text.find("fast"), text.rfind("fast")) << text;
}

TEST(Config, NamesTheMethodThatIsUnknown) {
  EXPECT_THAT(problems_of([] { config("[method.a]\nbase = m2mkdd\n"); }),
              AllOf(HasSubstr("a.ini:2"), HasSubstr("m2mkdd"), HasSubstr("did you mean 'm2mkd'?")));
  EXPECT_THAT(problems_of([] { config("[final.m2mkdd]\nlr = 1\n"); }), HasSubstr("m2mkdd"));
  EXPECT_THAT(problems_of([] { config("[method.a]\nrun.seed = 3\n"); }),
              AllOf(HasSubstr("a.ini:2"), HasSubstr("run.seed")));
  EXPECT_THAT(problems_of([] { config("[method.a]\nfinal.flops_of = m2mkdd\n"); }),
              HasSubstr("m2mkdd"));
}

TEST(Config, RefusesATeacherThatNoPairUses) {
  EXPECT_THAT(problems_of([] { config("[teacher.wide]\nwidth = 96\n"); }),
              AllOf(HasSubstr("[teacher.wide]"), HasSubstr("distill.teachers")));
  EXPECT_EQ(config("[teacher.wide]\nwidth = 96\n[distill]\nteachers = teacher wide\n")
                .model("teacher", "wide")
                .width,
            96);
}

TEST(Config, TextReadsBackToTheSameConfiguration) {
  const auto c = config(
      "[run]\nseed = 7\nmethods = mine\n[method.mine]\nbase = m2mkd\ndistill.lr = 0.125\n"
      "[meta.mine]\nwidth = 48\n[data.distill]\nflip = 0.5\n[final]\nepochs = 3\n[seed]\nfinal = "
      "9\n");
  const auto again = config(c.text());
  EXPECT_EQ(again.text(), c.text());
  EXPECT_EQ(again.run.seed, 7);
  EXPECT_EQ(lr(again, Phase::distill, "mine"), 0.125);
  EXPECT_EQ(again.model("meta", "mine").width, 48);
  EXPECT_EQ(again.data(Phase::distill).flip, 0.5);
  EXPECT_EQ(again.train(Phase::final, "mine").schedule.epochs, 3);
  EXPECT_EQ(again.seed(Phase::final, true, ""), 9u);
}

TEST(Config, DefaultsTextChangesNothing) {
  EXPECT_EQ(config(Config::defaults_text()).text(), config("").text());
}

TEST(Config, LaterFilesAndThenFlagsWin) {
  const auto folder = std::filesystem::temp_directory_path();
  const auto first = folder / ("first_" + std::to_string(::getpid()) + ".ini");
  const auto second = folder / ("second_" + std::to_string(::getpid()) + ".ini");
  std::ofstream(first) << "[train]\nlr = 1\nmin_lr = 0.1\nepochs = 4\n";
  std::ofstream(second) << "[train]\nlr = 2\nmin_lr = 0.2\n";
  const auto c =
      Config::read({first, second}, {{"train.lr", "3"}}, "[train]\nepochs = 9\nbatch = 8\n");
  const auto empty = Config::read({first}, {{"run.dir", ""}});  // as the defaults have it
  std::filesystem::remove(first);
  std::filesystem::remove(second);
  const auto t = c.train(Phase::final, "e2e");
  EXPECT_EQ(t.schedule.lr, 3);
  EXPECT_EQ(t.schedule.min_lr, 0.2);
  EXPECT_EQ(t.schedule.epochs, 4);
  EXPECT_EQ(t.batch, 8);
  EXPECT_EQ(c.run.dir, "results/" + first.stem().string());
  EXPECT_EQ(empty.run.dir, c.run.dir);
}

}  // namespace
}  // namespace m2mkd
