#include "plan/small_config.hpp"

namespace m2mkd {
namespace {

using namespace test;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;
using testing::UnorderedElementsAreArray;
using Names = std::vector<std::string>;

Names names(const JobList& list) {
  Names all;
  for (const auto& job : list.jobs) all.push_back(job.name);
  return all;
}
void expect_names(const JobList& list, const Names& expected) {
  EXPECT_THAT(names(list), UnorderedElementsAreArray(expected));
}
bool has(const JobList& list, const std::string& name) {
  return std::ranges::count(list.jobs, name, &Job::name) > 0;
}

const Changes kAll{{"run.methods", "e2e kd incubation m2mkd m2mkd_nokd e2e_long"},
                   {"meta.incubation.width", "8"}};

TEST(Recipe, NamesTheJobsAsDocumented) {
  expect_names(small_jobs(kAll), {"pretrain",
                                  "pretrain.incubation",
                                  "incubate.0",
                                  "incubate.1",
                                  "incubate.2",
                                  "incubate.incubation.0",
                                  "incubate.incubation.1",
                                  "incubate.incubation.2",
                                  "finetune",
                                  "distill.0",
                                  "distill.1",
                                  "distill.2",
                                  "distill.m2mkd_nokd.0",
                                  "distill.m2mkd_nokd.1",
                                  "distill.m2mkd_nokd.2",
                                  "final.e2e",
                                  "final.kd",
                                  "final.incubation",
                                  "final.m2mkd",
                                  "final.m2mkd_nokd",
                                  "final.e2e_long"});
}

TEST(Recipe, PutsParentsBeforeChildrenAndInEarlierWaves) {
  const auto list = small_jobs(kAll);
  const auto all = names(list);
  for (const auto& job : list.jobs)
    for (const auto& parent : job.parents()) {
      EXPECT_LT(std::ranges::find(all, parent), std::ranges::find(all, job.name)) << job.name;
      EXPECT_LT(list.find(parent).wave, job.wave) << parent << " and " << job.name;
    }
  EXPECT_EQ(list.find("final.m2mkd").wave, 4);
  EXPECT_EQ(list.find("final.e2e").wave, 0);
}

TEST(Recipe, NeedsEndWithTheFinalJobAndHoldAllAncestors) {
  const auto list = small_jobs(kAll);
  EXPECT_THAT(list.needs.at("e2e"), ElementsAre("final.e2e"));
  EXPECT_THAT(list.needs.at("kd"), UnorderedElementsAre("pretrain", "incubate.0", "incubate.1",
                                                        "incubate.2", "finetune", "final.kd"));
  EXPECT_THAT(list.needs.at("m2mkd"), SizeIs(9));
  for (const auto& [method, needs] : list.needs) EXPECT_EQ(needs.back(), "final." + method);
}

TEST(Recipe, SharesJobsThatMethodsHaveInCommon) {
  const auto list = small_jobs({{"run.methods", "mine m2mkd kd incubation"},
                                {"method.mine.base", "m2mkd"},
                                {"method.mine.final.lr", "1e-4"}});
  EXPECT_THAT(list.find("final.mine").parents(),
              ElementsAre("distill.0", "distill.1", "distill.2"));
  EXPECT_EQ(list.find("final.mine").parents(), list.find("final.m2mkd").parents());
  EXPECT_FALSE(has(list, "pretrain.incubation"));
  EXPECT_EQ(list.find("incubate.incubation.1").meta_weights.job, "pretrain");
}

TEST(Recipe, NamesDoNotDependOnTheOrderOfMethods) {
  EXPECT_THAT(names(small_jobs({{"run.methods", "m2mkd_nokd m2mkd"}})),
              UnorderedElementsAreArray(names(small_jobs({{"run.methods", "m2mkd m2mkd_nokd"}}))));
}

TEST(Recipe, WithoutDistillationNeedsNoTeacher) {
  const auto list = small_jobs({{"run.methods", "m2mkd_nokd"}});
  EXPECT_THAT(list.needs.at("m2mkd_nokd"),
              UnorderedElementsAre("pretrain", "distill.m2mkd_nokd.0", "distill.m2mkd_nokd.1",
                                   "distill.m2mkd_nokd.2", "final.m2mkd_nokd"));
  EXPECT_THAT(list.find("distill.m2mkd_nokd.0").teachers, IsEmpty());
  EXPECT_THAT(names(small_jobs({{"run.methods", "kd"}, {"final.kd.alpha", "0"}})),
              ElementsAre("final.kd"));
}

TEST(Recipe, LongEndToEndTrainingHasTheFlopsOfTheMethod) {
  for (const auto* methods : {"e2e_long m2mkd", "e2e_long"}) {
    const auto list = small_jobs({{"run.methods", methods}});
    const auto& job = list.find("final.e2e_long");
    const auto all = small_jobs({{"run.methods", "m2mkd"}});
    const double step = job.cost.train.executed * static_cast<double>(job.train.batch);
    EXPECT_NEAR(method_flops(list, "e2e_long", false), method_flops(all, "m2mkd", false), step)
        << methods;
    EXPECT_GT(job.train.schedule.epochs, 3);
  }
}

// [method.a] trains its teacher afresh, [method.b] as long as m2mkd's teacher costs.
const Changes kFresh{{"method.a.base", "m2mkd"},
                     {"method.a.finetune.fresh", "true"},
                     {"method.b.base", "m2mkd"},
                     {"method.b.finetune.fresh", "true"},
                     {"method.b.finetune.flops_of", "m2mkd"}};

Changes with(Changes changes, const Changes& more) {
  changes.insert(changes.end(), more.begin(), more.end());
  return changes;
}

TEST(FlopsOf, IsPartOfWhatAJobIsInAnyOrderOfMethods) {
  double epochs = 0;
  for (const auto* methods : {"b", "a b", "b a", "m2mkd a b"}) {
    const auto list = small_jobs(with(kFresh, {{"run.methods", methods}}));
    const auto teacher = [&](const std::string& method) {
      for (const auto& name : list.needs.at(method))
        if (list.find(name).phase == Phase::finetune) return &list.find(name);
      return static_cast<const Job*>(nullptr);
    };
    const Job* b = teacher("b");
    ASSERT_NE(b, nullptr);
    if (epochs == 0) epochs = b->train.schedule.epochs;
    EXPECT_EQ(b->train.schedule.epochs, epochs) << methods;
    EXPECT_GT(epochs, 2.5);
    if (list.needs.contains("a")) {
      EXPECT_NE(teacher("a"), b) << methods;
      EXPECT_EQ(teacher("a")->train.schedule.epochs, 2) << methods;
      EXPECT_NE(teacher("a")->identity(), b->identity());
    }
  }
}

TEST(FlopsOf, DoesNotDependOnWhereARunIsStopped) {
  const auto epochs = [](const Changes& changes) {
    return small_jobs(with({{"run.methods", "e2e_long"}}, changes))
        .find("final.e2e_long")
        .train.schedule.epochs;
  };
  EXPECT_EQ(epochs({{"train.max_steps", "3"}}), epochs({}));
  EXPECT_EQ(epochs({{"final.epochs", "7"}, {"final.m2mkd.epochs", "2"}}), epochs({}))
      << "nor on the epochs that it replaces";
}

TEST(FlopsOf, TellsTheOtherMethodsProblemsAndCircles) {
  const Changes broken{{"meta.depths", "1 1"}};
  const auto problem = problems_of([&] { small_jobs(with(broken, {{"run.methods", "m2mkd"}})); });
  EXPECT_EQ(problems_of([&] { small_jobs(with(broken, {{"run.methods", "e2e_long"}})); }), problem);
  EXPECT_THAT(
      problems_of([] {
        small_jobs({{"run.methods", "e2e_long"}, {"method.e2e_long.final.flops_of", "e2e_long"}});
      }),
      testing::HasSubstr("final.e2e_long -> final.e2e_long is a circle"));
  EXPECT_THAT(problems_of([] {
                small_jobs({{"run.methods", "a"},
                            {"method.a.base", "e2e"},
                            {"method.a.final.flops_of", "b"},
                            {"method.b.base", "e2e"},
                            {"method.b.final.flops_of", "a"}});
              }),
              testing::HasSubstr("is a circle"));
}

TEST(Recipe, CountsTheTeacherOnlyWhenAsked) {
  const auto list = small_jobs();
  double teacher = 0;
  for (const auto* name : {"incubate.0", "incubate.1", "incubate.2", "finetune"})
    teacher += list.find(name).cost.train.executed * list.find(name).cost.images;
  EXPECT_GT(teacher, 0);
  EXPECT_DOUBLE_EQ(method_flops(list, "m2mkd", true), method_flops(list, "m2mkd", false) + teacher);
}

TEST(Recipe, CountsTheMetaOnlyWhereTheStudentNeedsIt) {
  const auto list = small_jobs({{"run.methods", "e2e kd incubation m2mkd"}});
  EXPECT_THAT(counted_jobs(list, "e2e"), ElementsAre("final.e2e"));
  EXPECT_THAT(counted_jobs(list, "kd"), ElementsAre("final.kd"));
  EXPECT_THAT(counted_jobs(list, "m2mkd"),
              ElementsAre("pretrain", "distill.0", "distill.1", "distill.2", "final.m2mkd"));
  EXPECT_EQ(counted_jobs(list, "incubation"), list.needs.at("incubation"));
}

TEST(Recipe, AFurtherTeacherBringsItsOwnMeta) {
  const auto list = small_jobs({{"teacher.wide.width", "24"},
                                {"meta.wide.width", "24"},
                                {"distill.teachers", "teacher wide"}});
  for (const auto* name : {"pretrain.wide", "incubate.wide.0", "incubate.wide.1", "incubate.wide.2",
                           "finetune.wide", "finetune", "pretrain"})
    EXPECT_TRUE(has(list, name)) << name;
  const auto& job = list.find("distill.1");
  ASSERT_THAT(job.teachers, SizeIs(2));
  EXPECT_EQ(job.teachers[0].meta_weights.job, "pretrain");
  EXPECT_EQ(job.teachers[1].weights.job, "finetune.wide");
  EXPECT_EQ(job.teachers[1].meta_weights.job, "pretrain.wide");
  EXPECT_EQ(job.teachers[1].model.width, 24);
}

TEST(Recipe, GivenWeightsDropTheJobsThatWouldMakeThem) {
  const auto meta = small_jobs({{"init.meta", "/given/meta.h5"}});
  EXPECT_FALSE(has(meta, "pretrain"));
  EXPECT_EQ(meta.find("distill.0").meta_weights.file, "/given/meta.h5");
  expect_names(small_jobs({{"init.meta", "/given/meta.h5"}, {"init.teacher", "/given/teacher.h5"}}),
               {"distill.0", "distill.1", "distill.2", "final.m2mkd"});
}

TEST(Recipe, TakesTeacherStagesAsIncubatedWhenAsked) {
  const auto list = small_jobs({{"distill.teacher", "incubate"}});
  EXPECT_FALSE(has(list, "finetune"));
  EXPECT_EQ(list.find("distill.2").teachers[0].weights.job, "incubate.2");
}

TEST(Recipe, RefusesDepthsOfDifferentLengthWithBothNumbers) {
  EXPECT_THAT(problems_of([] {
                small_jobs({{"teacher.depths", "1 1 1 1"}});
              }),
              AllOf(HasSubstr("teacher.depths has 4 stages"), HasSubstr("meta.depths 3")));
  EXPECT_THAT(problems_of([] {
                small_jobs({{"student.depths", "1 1"}});
              }),
              AllOf(HasSubstr("student.depths has 2 stages"), HasSubstr("meta.depths 3")));
}

TEST(Recipe, RefusesWidthsAndPatchesThatDoNotMeet) {
  EXPECT_THAT(problems_of([] {
                small_jobs({{"teacher.width", "24"}});
              }),
              AllOf(HasSubstr("24"), HasSubstr("16"), HasSubstr("stitch")));
  EXPECT_THAT(problems_of([] {
                small_jobs({{"student.patch", "14"}});
              }),
              AllOf(HasSubstr("student has 5 tokens and meta 17"), HasSubstr("token_mismatch")));
  EXPECT_NO_THROW(small_jobs({{"student.patch", "14"}, {"hybrid.token_mismatch", "allow"}}));
}

TEST(Recipe, RefusesBatchesThatCannotBeSampled) {
  const auto text = problems_of([] {
    small_jobs({{"data.order", "published"}, {"train.batch", "60"}, {"train.micro_batch", "4"}});
  });
  EXPECT_THAT(text, HasSubstr("distill: a batch of 60 images does not divide into"));
  EXPECT_NO_THROW(small_jobs({{"data.order", "published"}, {"train.batch", "64"}}));
}

TEST(Recipe, GivesEveryPhaseItsSeed) {
  const auto list = small_jobs({{"run.methods", "incubation m2mkd"},
                                {"run.seed", "9"},
                                {"seed.pretrain", "1"},
                                {"seed.teacher", "2"},
                                {"seed.distill", "3"},
                                {"seed.final", "4"}});
  EXPECT_EQ(list.find("pretrain").seed, 1u);
  EXPECT_EQ(list.find("incubate.0").seed, 2u);
  EXPECT_EQ(list.find("finetune").seed, 2u);
  EXPECT_EQ(list.find("incubate.incubation.0").seed, 3u);
  EXPECT_EQ(list.find("distill.0").seed, 3u);
  EXPECT_EQ(list.find("final.m2mkd").seed, 4u);
  for (const auto& job : small_jobs({{"run.seed", "9"}}).jobs) EXPECT_EQ(job.seed, 9u) << job.name;
}

}  // namespace
}  // namespace m2mkd
