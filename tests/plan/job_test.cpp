#include <m2mkd/plan/difference.hpp>
#include <m2mkd/train/identity.hpp>

#include "plan/small_config.hpp"

namespace m2mkd {
namespace {

using namespace test;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

std::string identity(const std::string& job, const Changes& changes = {}) {
  return small_jobs(changes).find(job).identity();
}
std::vector<std::string> changes_of(const std::string& job, const std::string& key,
                                    const std::string& value) {
  return identity_differences(identity(job), identity(job, {{key, value}}));
}

TEST(Identity, IgnoresWhatDoesNotChangeTheWeights) {
  const Changes neutral{{"train.max_steps", "3"},
                        {"train.forward_micro_batches", "1"},
                        {"train.eval_batch", "7"},
                        {"train.eval_epochs", "1"},
                        {"train.log_steps", "true"},
                        {"train.log_seconds", "3"},
                        {"train.bucket_mb", "4"},
                        {"train.checkpoint_seconds", "5"},
                        {"train.keep_checkpoints", "true"},
                        {"run.dir", "/elsewhere"},
                        {"run.threads", "3"},
                        {"machine.gflops", "1"},
                        {"data.train", "/no/train.h5"},
                        {"data.loader_depth", "9"},
                        {"run.note", "words"}};
  for (const auto& [key, value] : neutral)
    for (const auto* job : {"pretrain", "distill.1", "final.m2mkd"})
      EXPECT_THAT(changes_of(job, key, value), IsEmpty()) << key;
}

TEST(Identity, ChangesWithEverythingThatChangesTheWeights) {
  const Changes science{
      {"train.lr", "0.125"},         {"train.epochs", "3"},         {"train.min_lr", "1e-4"},
      {"train.warmup_share", "0.5"}, {"train.cosine", "published"}, {"train.batch", "32"},
      {"train.micro_batch", "8"},    {"train.weight_decay", "0.5"}, {"train.clip_grad", "1"},
      {"train.precision", "fp64"},   {"train.adam_eps", "1e-6"},    {"distill.alpha", "0.25"},
      {"distill.tau", "2"},          {"distill.kd_per", "element"}, {"data.flip", "0.5"},
      {"data.mixup", "0.8"},         {"data.smoothing", "0.1"},     {"data.count", "900"},
      {"data.order", "sequential"},  {"student.experts", "4"},      {"student.drop_path", "0.1"},
      {"teacher.mlp_ratio", "2"},    {"meta.norm_eps", "1e-5"},     {"run.seed", "1"}};
  for (const auto& [key, value] : science)
    EXPECT_FALSE(changes_of("distill.1", key, value).empty()) << key;
}

TEST(Identity, HoldsOnlyWhatTheJobUses) {
  EXPECT_THAT(changes_of("final.m2mkd", "teacher.mlp_ratio", "2"), IsEmpty());
  EXPECT_THAT(changes_of("final.m2mkd", "final.tau", "2"), IsEmpty());
  EXPECT_THAT(changes_of("pretrain", "student.experts", "4"), IsEmpty());
  EXPECT_THAT(changes_of("distill.1", "final.lr", "1"), IsEmpty());
  EXPECT_NE(identity("distill.0"), identity("distill.1"));
}

TEST(IdentityDifferences, NameTheKeyAndBothValues) {
  EXPECT_THAT(changes_of("distill.1", "train.lr", "0.125"),
              ElementsAre("train.lr: 0.002 -> 0.125"));
  EXPECT_THAT(identity_differences("a = 1\nb = 2\n", "b = 2\nc = 3\n"),
              ElementsAre("a: 1 -> (none)", "c: (none) -> 3"));
  EXPECT_THAT(identity_differences(identity("final.m2mkd"), identity("final.m2mkd")), IsEmpty());
  // A given file under another name is the same file; another one under the same name is not.
  EXPECT_THAT(
      identity_differences("digest.a.h5 = 1\ndigest.c = 2\n", "digest.b.h5 = 1\ndigest.c = 2\n"),
      IsEmpty());
  EXPECT_THAT(identity_differences("digest.a.h5 = 1\n", "digest.a.h5 = 2\ndigest.b.h5 = 1\n"),
              ElementsAre("digest.a.h5: 1 -> 2", "digest.b.h5: (none) -> 1"));
}

TEST(Identity, ContainsTheImagesAndHowTheyAreNormalised) {
  Job job = small_jobs().find("pretrain");
  job.facts.train_digest = "0123456789abcdef";
  job.facts.mean = {0.5};
  job.facts.std = {0.25};
  const auto before = job.identity();
  job.facts.test_digest = "changes no weights";
  EXPECT_EQ(job.identity(), before);
  job.facts.train_digest = "fedcba9876543210";
  EXPECT_THAT(identity_differences(before, job.identity()),
              ElementsAre("data.digest: 0123456789abcdef -> fedcba9876543210"));
  job.facts.train_digest = "0123456789abcdef";
  job.facts.std = {0.125};
  EXPECT_THAT(identity_differences(before, job.identity()),
              ElementsAre("data.normalisation: mean 0.5 and std 0.25 -> mean 0.5 and std 0.125"));
  Job earlier = job;
  earlier.facts.mean.clear();  // files of earlier versions do not tell
  EXPECT_THAT(identity_differences(earlier.identity(), job.identity()), IsEmpty());
}

TEST(Job, CountsMicroBatchesOfAPartBatch) {
  EXPECT_EQ(small_jobs({{"train.batch", "10"}, {"train.micro_batch", "4"}})
                .find("pretrain")
                .micro_batches(),
            3);
  EXPECT_EQ(small_jobs({{"train.batch", "4000"}, {"train.micro_batch", "300"}})
                .find("pretrain")
                .micro_batches(),
            4)
      << "a batch is never larger than the data set";
}

TEST(Job, NamesEveryParentOnce) {
  EXPECT_THAT(small_jobs().find("distill.1").parents(), ElementsAre("pretrain", "finetune"));
  EXPECT_THAT(small_jobs().find("finetune").parents(), SizeIs(3));
}

TEST(Settings, ThatDifferAreNamedWithBothValues) {
  EXPECT_THAT(setting_differences("# a = b\n[train]\nlr = 1e-3\ntau =\n[run]\ndir = a\n",
                                  "[run]\ndir = b\n[train]\nlr = 2e-3\ntau =\nalpha = 1\n"),
              ElementsAre("train.alpha: (not set) -> 1", "train.lr: 1e-3 -> 2e-3"));
}

TEST(Trainable, IsPartOfTheIdentityAndOfTheCost) {
  EXPECT_EQ(identity("final.m2mkd").find("trainable"), std::string::npos) << "as before the key";
  EXPECT_THAT(changes_of("final.m2mkd", "final.trainable", "head.*"), SizeIs(1));
  const Job whole = small_jobs().find("final.m2mkd"),
            head = small_jobs({{"final.trainable", "head.*"}}).find("final.m2mkd");
  EXPECT_EQ(whole.cost.trainable, whole.cost.network);
  EXPECT_EQ(head.cost.network, whole.cost.network);
  EXPECT_EQ(head.cost.trainable, (head.model.width + 1) * head.facts.classes);
  EXPECT_EQ(head.cost.chain.forward.executed, whole.cost.chain.forward.executed);
  const auto backward = [](const Job& job) {
    return job.cost.train.executed - job.cost.chain.forward.executed;
  };
  EXPECT_LT(backward(head), 0.7 * backward(whole));
  EXPECT_LT(job_disk(head), 0.6 * job_disk(whole));
  EXPECT_LT(pack_memory(std::array{&head}, 1), pack_memory(std::array{&whole}, 1));
}

TEST(Trainable, WithoutAParameterIsAMistake) {
  const auto problems = [](const char* patterns) {
    return problems_of([&] { small_jobs({{"final.trainable", patterns}}); });
  };
  EXPECT_THAT(problems("hed.*"),
              testing::HasSubstr("final.trainable = hed.*: 'hed.*' leaves no parameter"));
  EXPECT_THAT(problems("all !all"), testing::HasSubstr("leaves no parameter of the student"));
  EXPECT_NO_THROW(small_jobs({{"final.trainable", "all !pos_embed"}}));
}

// The meta is no part of what is trained whole from a fresh start.
TEST(Jobs, OfWholeNetworksDoNotMindTheMetasStages) {
  const Changes more{{"run.methods", "e2e"}, {"student.depths", "1 1 1 1 1"}};
  EXPECT_EQ(small_jobs(more).find("final.e2e").cost.chain.stages.size(), 5U);
}

}  // namespace
}  // namespace m2mkd
