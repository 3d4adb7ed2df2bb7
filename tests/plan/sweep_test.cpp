#include <set>

#include <m2mkd/nn/family.hpp>
#include <m2mkd/nn/moe.hpp>
#include <m2mkd/nn/nac.hpp>
#include <m2mkd/train/identity.hpp>

#include "plan/small_config.hpp"

namespace m2mkd {
namespace {

using namespace test;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;
using Names = std::vector<std::string>;

const Changes kNac{{"student.model", "nac"}, {"run.methods", "e2e m2mkd"}};

Changes with(Changes changes, const Changes& more) {
  changes.insert(changes.end(), more.begin(), more.end());
  return changes;
}
Names names(const Config& config) {
  Names all;
  for (const auto& variant : config.variants()) all.push_back(variant.name);
  return all;
}
std::set<std::string> jobs(const JobList& list, const std::string& phase) {
  std::set<std::string> some;
  for (const auto& job : list.jobs)
    if (enum_name(job.phase) == phase) some.insert(job.name);
  return some;
}

TEST(Sweep, WithoutPriorsAndSeedsVariantsAreTheMethods) {
  const auto config = small_config({{"run.methods", "kd m2mkd"}});
  EXPECT_THAT(names(config), ElementsAre("kd", "m2mkd"));
  EXPECT_EQ(config.variants().front().base, "kd");
  EXPECT_EQ(config.variants().front().seed, -1);
  EXPECT_THAT(config.text(), Not(HasSubstr("for information")));
}

TEST(Sweep, NamesEveryMethodWithEveryPriorAndSeed) {
  EXPECT_THAT(names(small_config({{"run.methods", "e2e m2mkd"}, {"run.seeds", "0 3"}})),
              ElementsAre("e2e_seed0", "e2e_seed3", "m2mkd_seed0", "m2mkd_seed3"));
  const auto config = small_config(
      with(kNac, {{"run.priors", "erdos_renyi ring_of_cliques"}, {"run.seeds", "1 2"}}));
  EXPECT_THAT(
      names(config),
      ElementsAre("e2e_erdos_renyi_seed1", "e2e_erdos_renyi_seed2", "e2e_ring_of_cliques_seed1",
                  "e2e_ring_of_cliques_seed2", "m2mkd_erdos_renyi_seed1", "m2mkd_erdos_renyi_seed2",
                  "m2mkd_ring_of_cliques_seed1", "m2mkd_ring_of_cliques_seed2"));
  const auto& last = config.variants().back();
  EXPECT_EQ(last.base, "m2mkd");
  EXPECT_EQ(last.prior, "ring_of_cliques");
  EXPECT_EQ(last.seed, 2);
  EXPECT_EQ(config.model("student", last.name).own<NacOptions>().prior.prior,
            Prior::ring_of_cliques);
  EXPECT_EQ(config.model("student", "m2mkd").own<NacOptions>().prior.prior, Prior::barabasi_albert);
  EXPECT_EQ(config.final(last.name).start, Start::distill);
  EXPECT_EQ(config.final("e2e_erdos_renyi_seed1").start, Start::fresh);
}

TEST(Sweep, RepeatsTheFinalPhaseOrAll) {
  const Changes seeds{{"run.seed", "9"}, {"run.seeds", "4"}};
  const auto final = small_config(seeds);
  EXPECT_EQ(final.seed(Phase::final, true, "m2mkd_seed4"), 4u);
  for (const auto phase : {Phase::pretrain, Phase::incubate, Phase::finetune, Phase::distill})
    EXPECT_EQ(final.seed(phase, false, "m2mkd_seed4"), 9u) << enum_name(phase);
  EXPECT_EQ(final.seed(Phase::final, true, "m2mkd"), 9u);
  const auto all = small_config(with(seeds, {{"run.seeds_of", "all"}}));
  for (const auto& [phase, name] : EnumNames<Phase>::names)
    EXPECT_EQ(all.seed(phase, false, "m2mkd_seed4"), 4u) << name;
}

TEST(Sweep, LooksSeedsUpByMethod) {
  const auto config = small_config({{"run.seed", "9"},
                                    {"seed.final", "8"},
                                    {"seed.m2mkd.final", "7"},
                                    {"method.kd.seed.final", "6"}});
  EXPECT_EQ(config.seed(Phase::final, true, "e2e"), 8u);
  EXPECT_EQ(config.seed(Phase::final, true, "m2mkd"), 7u);
  EXPECT_EQ(config.seed(Phase::final, true, "m2mkd_nokd"), 7u) << "by its base";
  EXPECT_EQ(config.seed(Phase::final, true, "kd"), 6u);
  EXPECT_EQ(config.seed(Phase::distill, true, "kd"), 9u);
}

TEST(Sweep, SettingsOfTheBaseAndOfTheVariantApply) {
  const auto config = small_config(with(kNac, {{"run.priors", "erdos_renyi"},
                                               {"run.seeds", "1 2"},
                                               {"final.m2mkd.lr", "0.5"},
                                               {"final.m2mkd_erdos_renyi.min_lr", "0.25"},
                                               {"final.m2mkd_erdos_renyi_seed2.lr", "0.125"}}));
  const auto schedule = [&](const char* name) { return config.train(Phase::final, name).schedule; };
  EXPECT_EQ(schedule("m2mkd_erdos_renyi_seed1").lr, 0.5);
  EXPECT_EQ(schedule("m2mkd_erdos_renyi_seed1").min_lr, 0.25);
  EXPECT_EQ(schedule("m2mkd_erdos_renyi_seed2").lr, 0.125);
}

TEST(Sweep, FollowsFromTheTextAndLaterSettingsWin) {
  const auto config = small_config(
      with(kNac, {{"run.priors", "erdos_renyi"}, {"run.seeds", "1 2"}, {"run.seeds_of", "all"}}));
  const auto again = Config::from_text(config.text(), "stored");
  EXPECT_EQ(again.text(), config.text());
  EXPECT_EQ(names(again), names(config));
  EXPECT_EQ(again.seed(Phase::distill, true, "m2mkd_erdos_renyi_seed2"), 2u);
  EXPECT_THAT(config.text(), HasSubstr("# [method.m2mkd_erdos_renyi_seed2]"));
  EXPECT_THAT(config.text(), Not(HasSubstr("\n[method.m2mkd_erdos")))
      << "or other seeds would find methods of the same names";

  const auto other = [&](const Changes& changes) {
    return names(Config::read({}, changes, config.text()));
  };
  EXPECT_THAT(other({{"run.seeds", ""}}), ElementsAre("e2e_erdos_renyi", "m2mkd_erdos_renyi"));
  EXPECT_THAT(other({{"run.seeds", "2 3"}, {"run.priors", ""}, {"run.methods", "kd"}}),
              ElementsAre("kd_seed2", "kd_seed3"));
}

TEST(Sweep, RefusesWhatItCannotName) {
  const auto problems = [](const Changes& changes) {
    return problems_of([&] { small_config(changes); });
  };
  EXPECT_THAT(problems({{"run.seeds", "1 2 1"}}),
              AllOf(HasSubstr("command line"), HasSubstr("'1'")));
  EXPECT_THAT(problems({{"run.seeds", "-1"}}), HasSubstr("-1 is not from 0 to"));
  EXPECT_THAT(problems({{"run.methods", "kd kd"}}), HasSubstr("'kd'"));
  EXPECT_THAT(problems(with(kNac, {{"run.priors", "erdos_renyi erdos_renyi"}})),
              HasSubstr("erdos_renyi"));
  EXPECT_THAT(problems(with(kNac, {{"run.priors", "erdos"}})),
              AllOf(HasSubstr("priors = erdos"), HasSubstr("planted_partition")));
  EXPECT_THAT(problems({{"run.seeds", "2"}, {"method.m2mkd_seed2.base", "kd"}}),
              AllOf(HasSubstr("run.seeds"), HasSubstr("'m2mkd_seed2'")));
  EXPECT_THAT(problems({{"run.priors", "erdos_renyi"}}),
              AllOf(HasSubstr("command line"), HasSubstr("'m2mkd'"), HasSubstr("vmoe")));
  EXPECT_THAT(problems(with(kNac, {{"run.priors", "erdos_renyi"}, {"student.e2e.model", "vit"}})),
              AllOf(HasSubstr("'e2e'"), HasSubstr("vit"), Not(HasSubstr("'m2mkd'"))));
  EXPECT_THAT(problems({{"run.seeds", "2"}, {"final.m2mkd_seed3.lr", "1"}}),
              HasSubstr("m2mkd_seed3"));
}

const Changes kSeeds{{"run.methods", "e2e m2mkd incubation"}, {"run.seeds", "0 1"}};

TEST(Sweep, SeedsOfTheFinalPhaseShareAllElse) {
  const auto once = small_jobs({{"run.methods", "e2e m2mkd incubation"}});
  const auto list = small_jobs(kSeeds);
  EXPECT_EQ(list.jobs.size(), once.jobs.size() + 3);
  for (const auto* phase : {"pretrain", "incubate", "finetune", "distill"})
    EXPECT_EQ(jobs(list, phase), jobs(once, phase)) << "found finished when seeds are added";
  EXPECT_EQ(list.find("final.m2mkd_seed1").parents(), once.find("final.m2mkd").parents());
  EXPECT_EQ(list.find("final.m2mkd_seed1").seed, 1u);
  EXPECT_EQ(list.find("final.m2mkd_seed0").wave, list.find("final.m2mkd_seed1").wave);
}

TEST(Sweep, SeedsOfAllShareNothing) {
  const auto once = small_jobs({{"run.methods", "e2e m2mkd incubation"}});
  const auto list = small_jobs(with(kSeeds, {{"run.seeds_of", "all"}}));
  EXPECT_EQ(list.jobs.size(), 2 * once.jobs.size());
  EXPECT_THAT(jobs(list, "pretrain"), UnorderedElementsAre("pretrain", "pretrain.seed1"))
      << "seed 0 is run.seed, and methods share what is of one seed";
  EXPECT_THAT(list.find("distill.seed1.2").parents(),
              UnorderedElementsAre("pretrain.seed1", "finetune.seed1"));
  EXPECT_THAT(list.find("final.incubation_seed1").parents(),
              ElementsAre("incubate.incubation_seed1.0", "incubate.incubation_seed1.1",
                          "incubate.incubation_seed1.2"));
  for (const auto& name : list.needs.at("m2mkd_seed1")) EXPECT_EQ(list.find(name).seed, 1u) << name;
}

TEST(Sweep, NamesOfSharedJobsDoNotDependOnTheOrderOfMethods) {
  const auto of = [](const char* methods, const char* seeds_of) {
    const auto list =
        small_jobs({{"run.methods", methods}, {"run.seeds", "1 2"}, {"run.seeds_of", seeds_of}});
    std::set<std::string> all;
    for (const auto& job : list.jobs) all.insert(job.name);
    return all;
  };
  for (const auto* seeds_of : {"final", "all"})
    EXPECT_EQ(of("kd m2mkd m2mkd_nokd", seeds_of), of("m2mkd_nokd m2mkd kd", seeds_of));
}

TEST(Sweep, AFurtherTeacherIsRepeatedWithAll) {
  const Changes wide{{"run.seeds", "1 2"},
                     {"teacher.wide.width", "24"},
                     {"meta.wide.width", "24"},
                     {"distill.teachers", "teacher wide"}};
  EXPECT_THAT(jobs(small_jobs(wide), "finetune"),
              UnorderedElementsAre("finetune", "finetune.wide"));
  const auto all = small_jobs(with(wide, {{"run.seeds_of", "all"}}));
  const auto& job = all.find("distill.seed2.1");
  EXPECT_EQ(job.teachers.at(1).name, "wide");
  EXPECT_EQ(job.teachers.at(1).model.width, 24);
  EXPECT_EQ(job.teachers.at(1).weights.job, "finetune.wide_seed2");
  EXPECT_EQ(all.find("finetune.wide_seed2").seed, 2u);
}

TEST(Sweep, EqualFlopsAreThoseOfTheSameSeed) {
  const Changes seeds{{"run.methods", "m2mkd e2e_long"}, {"run.seeds", "1 2"}};
  const auto plain = small_jobs({{"run.methods", "m2mkd e2e_long"}});
  const auto list = small_jobs(with(seeds, {{"final.m2mkd_seed2.epochs", "4"}}));
  const auto epochs = [](const JobList& l, const char* job) {
    return l.find(job).train.schedule.epochs;
  };
  EXPECT_DOUBLE_EQ(epochs(list, "final.e2e_long_seed1"), epochs(plain, "final.e2e_long"));
  EXPECT_DOUBLE_EQ(epochs(list, "final.e2e_long_seed2"), epochs(plain, "final.e2e_long") + 2);
  // m2mkd itself need not be among the methods.
  EXPECT_DOUBLE_EQ(
      epochs(small_jobs({{"run.methods", "e2e_long"}, {"run.seeds", "1"}}), "final.e2e_long_seed1"),
      epochs(plain, "final.e2e_long"));
}

Job nac_job(int stage, Prior prior) {
  Job job;
  job.phase = stage < 0 ? Phase::final : Phase::distill;
  job.role = Role::student;
  job.stage = stage;
  job.model.model = family("nac");
  job.model.own<NacOptions>().prior.prior = prior;
  return job;
}

TEST(Sweep, ADistilledNacDoesNotDependOnThePrior) {
  EXPECT_EQ(nac_job(1, Prior::erdos_renyi).identity(),
            nac_job(1, Prior::ring_of_cliques).identity());
  EXPECT_THAT(identity_differences(nac_job(-1, Prior::erdos_renyi).identity(),
                                   nac_job(-1, Prior::ring_of_cliques).identity()),
              ElementsAre("network.prior: erdos_renyi -> ring_of_cliques"));
}

TEST(Sweep, IdentitiesHoldOnlyTheKeysOfTheirModel) {
  auto nac = nac_job(-1, Prior::erdos_renyi), other = nac;
  other.model.own<VmoeOptions>().experts = 5;
  other.model.qkv_bias = false;
  other.model.norm_eps = 1e-5;
  other.model.keep_stitches = true;
  EXPECT_EQ(nac.identity(), other.identity());
  for (const auto model : {family("vit"), family("vmoe")}) {
    nac.model.model = other.model.model = model;
    EXPECT_NE(nac.identity(), other.identity());
    EXPECT_THAT(nac.identity(), Not(HasSubstr("prior")));
  }
}

TEST(Sweep, PriorsShareAllButTheFinalPhase) {
  const Changes priors{{"run.priors", "barabasi_albert erdos_renyi"}, {"run.seeds", "1 2"}};
  for (const auto* seeds_of : {"final", "all"}) {
    const auto list = small_jobs(
        with(with(kNac, priors), {{"run.seeds_of", seeds_of}, {"hybrid.token_mismatch", "allow"}}));
    const bool all = std::string(seeds_of) == "all";
    EXPECT_EQ(jobs(list, "final").size(), 8u);
    EXPECT_EQ(list.jobs.size() - 8, (all ? 2u : 1u) * (1 + 3 + 1 + 3)) << seeds_of;
    EXPECT_EQ(list.find("final.m2mkd_erdos_renyi_seed2").parents(),
              list.find("final.m2mkd_barabasi_albert_seed2").parents());
  }
}

}  // namespace
}  // namespace m2mkd
