// Methods and switches beyond the paper's main table, as jobs.

#include <m2mkd/nn/family.hpp>
#include <m2mkd/nn/moe.hpp>

#include "plan/small_config.hpp"

namespace m2mkd {
namespace {

using namespace test;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::UnorderedElementsAre;

TEST(Upcycling, PretrainsTheDenseStudentAndCountsIt) {
  const auto list = small_jobs({{"run.methods", "upcycling e2e"}});
  EXPECT_THAT(list.needs.at("upcycling"), ElementsAre("pretrain.upcycling", "final.upcycling"));
  const auto &dense = list.find("pretrain.upcycling"), &final = list.find("final.upcycling");
  EXPECT_EQ(dense.model.model, family("vit"));
  EXPECT_EQ(dense.model.width, final.model.width);
  EXPECT_EQ(final.model.model, family("vmoe"));
  EXPECT_TRUE(final.upcycled());
  EXPECT_FALSE(dense.teacher_preparation);
  EXPECT_THAT(final.identity(), HasSubstr("from.start = pretrain.upcycling"));
  EXPECT_NEAR(
      method_flops(list, "upcycling", false),
      dense.cost.train.executed * dense.cost.images + final.cost.train.executed * final.cost.images,
      1);
}

TEST(SplitTeacher, IsTrainedWholeForTheFlopsOfTheIncubatedOne) {
  const auto list = small_jobs({{"run.methods", "m2mkd m2mkd_split_teacher"}});
  const auto& whole = list.find("finetune.m2mkd_split_teacher");
  EXPECT_TRUE(sources(whole.start).empty());
  EXPECT_TRUE(whole.teacher_preparation);
  double incubated = 0;
  for (const auto* name : {"incubate.0", "incubate.1", "incubate.2", "finetune"})
    incubated += list.find(name).cost.train.executed * list.find(name).cost.images;
  const double step = whole.cost.train.executed * static_cast<double>(whole.train.batch);
  EXPECT_NEAR(whole.cost.train.executed * whole.cost.images, incubated, step);
  EXPECT_EQ(list.find("distill.m2mkd_split_teacher.1").teachers.at(0).weights.job,
            "finetune.m2mkd_split_teacher");
  EXPECT_THAT(list.needs.at("m2mkd_split_teacher"), Not(testing::Contains(HasSubstr("incubate"))));
}

TEST(DenseIncubation, IncubatesADenseStudent) {
  const auto list = small_jobs({{"run.methods", "incubation incubation_dense"}});
  EXPECT_EQ(list.find("final.incubation_dense").model.model, family("vit"));
  EXPECT_EQ(list.find("incubate.incubation_dense.0").model.width,
            list.find("incubate.incubation.0").model.width);
  EXPECT_EQ(list.find("incubate.incubation_dense.0").meta_weights.job, "pretrain");
}

TEST(Published, SetsEverySwitchAndYieldsToWhatIsWritten) {
  const auto at = [](const Config& c, Phase phase) { return c.train(phase, ""); };
  const Config none = small_config(), all = small_config({{"compat", "published"}});
  const auto d = at(none, Phase::distill), p = at(all, Phase::distill);
  EXPECT_EQ(d.objective.kd_per, KdPer::sample);
  EXPECT_EQ(p.objective.kd_per, KdPer::element);
  EXPECT_EQ(d.objective.ce_weight, CeWeight::one);
  EXPECT_EQ(p.objective.ce_weight, CeWeight::complement);
  EXPECT_FALSE(d.schedule.lr_late);
  EXPECT_TRUE(p.schedule.lr_late);
  EXPECT_EQ(p.schedule.lr_unit, LrUnit::epoch);
  EXPECT_EQ(p.schedule.cosine, Cosine::published);
  EXPECT_EQ(d.schedule.lr_batch, 0);
  EXPECT_EQ(p.schedule.lr_batch, 512);
  EXPECT_FALSE(d.clip_mixed_only);
  EXPECT_TRUE(p.clip_mixed_only);
  EXPECT_EQ(d.drop_path_ramp, RampOver::network);
  EXPECT_EQ(p.drop_path_ramp, RampOver::module);
  EXPECT_FALSE(d.eval_drop_last);
  EXPECT_TRUE(p.eval_drop_last);
  EXPECT_EQ(none.data(Phase::distill).order, Order::shuffled);
  EXPECT_EQ(all.data(Phase::distill).order, Order::published);
  EXPECT_EQ(none.data(Phase::distill).mix_per, MixPer::micro_batch);
  EXPECT_EQ(all.data(Phase::distill).mix_per, MixPer::rank_batch);
  const auto i = at(all, Phase::incubate);
  EXPECT_TRUE(i.decay_embeddings);
  EXPECT_TRUE(i.frozen_drop_path);
  EXPECT_EQ(i.drop_path_ramp, RampOver::hybrid);
  EXPECT_FALSE(at(none, Phase::incubate).decay_embeddings);
  EXPECT_FALSE(at(all, Phase::final).decay_embeddings);
  EXPECT_EQ(none.model("student", "").own<VmoeOptions>().expert_init, ExpertInit::linear);
  EXPECT_EQ(all.model("student", "").own<VmoeOptions>().expert_init, ExpertInit::published);

  const Config one = small_config(
      {{"compat", "published"}, {"train.kd_per", "sample"}, {"distill.lr_batch", "0"}});
  EXPECT_EQ(at(one, Phase::distill).objective.kd_per, KdPer::sample);
  EXPECT_EQ(at(one, Phase::distill).objective.ce_weight, CeWeight::complement);
  EXPECT_EQ(at(one, Phase::distill).schedule.lr_batch, 0);
  EXPECT_EQ(at(one, Phase::final).schedule.lr_batch, 512);
  EXPECT_EQ(Config::from_text(one.text(), "stored").text(), one.text());
}

TEST(Published, VirtualRanksArePartOfAJobOnlyWhereTheyMatter) {
  const auto identity = [](const Changes& changes) {
    return small_jobs(changes).find("distill.1").identity();
  };
  EXPECT_EQ(small_config({{"compat.ranks", "4"}}).data(Phase::distill).published_ranks, 4);
  EXPECT_EQ(identity({{"compat.ranks", "4"}}), identity({}));
  EXPECT_NE(identity({{"compat.ranks", "4"}, {"data.order", "published"}}),
            identity({{"data.order", "published"}}));
  EXPECT_THAT(problems_of([] { small_config({{"compat.ranks", "0"}}); }), HasSubstr("ranks = 0"));
}

TEST(Published, PlacesTheRampsOfIncubationAndDistillation) {
  const auto list = small_jobs(
      {{"compat", "published"}, {"teacher.drop_path", "0.4"}, {"student.drop_path", "0.1"}});
  const auto& incubate = list.find("incubate.1");
  ASSERT_TRUE(incubate.model.ramp && incubate.meta.ramp);
  EXPECT_THAT(incubate.model.ramp->first, ElementsAre(0, 1, 3));  // depths 1, 2, 1 around stage 1
  EXPECT_EQ(incubate.model.ramp->blocks, 4);
  EXPECT_EQ(incubate.meta.drop_path, 0.4);
  const auto& distill = list.find("distill.1");
  EXPECT_THAT(distill.model.ramp->first, ElementsAre(0, 0, 0));
  EXPECT_EQ(distill.model.ramp->blocks, 1);
  EXPECT_EQ(distill.meta.drop_path, 0);
  EXPECT_FALSE(small_jobs().find("incubate.1").model.ramp);
}

TEST(FrozenDropPath, SharesNoPrefix) {
  const auto shared = small_jobs();
  EXPECT_TRUE(can_share(shared.find("incubate.1"), shared.find("incubate.2")));
  EXPECT_GT(shared.find("incubate.1").cost.prefix.executed, 0);
  const auto alone = small_jobs({{"incubate.frozen_drop_path", "true"}});
  EXPECT_FALSE(can_share(alone.find("incubate.1"), alone.find("incubate.2")));
  EXPECT_EQ(alone.find("incubate.1").cost.prefix.executed, 0);
  // A pair computes the meta's prefix twice then, but holds the meta once.
  const auto pair = small_jobs({{"distill.frozen_drop_path", "true"}}).find("distill.1").cost;
  EXPECT_GT(pair.train.executed, shared.find("distill.1").cost.train.executed);
  EXPECT_EQ(pair.frozen, shared.find("distill.1").cost.frozen);
  EXPECT_EQ(alone.find("incubate.1").cost.train.executed,
            shared.find("incubate.1").cost.train.executed);
}

TEST(TokenMismatch, IsRefusedUnlessAllowedOrResampled) {
  const auto with = [](const std::string& rule, Changes more = {}) {
    more.insert(more.end(), {{"student.patch", "4"}, {"hybrid.token_mismatch", rule}});
    return more;
  };
  EXPECT_THAT(problems_of([&] { small_jobs(with("refuse")); }),
              AllOf(HasSubstr("50 tokens"), HasSubstr("resample")));
  const auto allowed = small_jobs(with("allow")), resampled = small_jobs(with("resample"));
  // Pair 0 alone has its own tokens where they are allowed; resampled, every stage has.
  const auto flops = [](const JobList& list, const char* job) {
    return list.find(job).cost.train.executed;
  };
  EXPECT_GT(flops(allowed, "distill.0"), flops(resampled, "distill.0"));  // its suffix sees more
  EXPECT_LT(flops(allowed, "distill.1"), flops(resampled, "distill.1"));
  EXPECT_THAT(problems_of([&] {
                small_jobs(with("allow", {{"distill.feature_weight", "1"}}));
              }),
              HasSubstr("resample"));
  small_jobs(with("resample", {{"distill.feature_weight", "1"}}));
}

TEST(FeatureDistillation, NeedsATeacherEvenWithoutLogits) {
  const auto list = small_jobs({{"distill.alpha", "0"}, {"distill.feature_weight", "0.1"}});
  EXPECT_EQ(list.find("distill.1").teachers.size(), 1u);
  EXPECT_THAT(problems_of([] {
                small_jobs({{"final.feature_weight", "0.1"}});
              }),
              HasSubstr("set it in [distill]"));
}

}  // namespace
}  // namespace m2mkd
