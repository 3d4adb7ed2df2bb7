#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <m2mkd/nn/moe.hpp>
#include <m2mkd/plan/cost.hpp>

#include "plan/hand_made.hpp"

namespace m2mkd {
namespace {

using test::cost_of;
using test::small_job;
using test::vit;
using test::vmoe;

const ModelOptions kMetaLarge = vit(1024, 16, 16, {1, 1, 1, 1});
const ModelOptions kLarge = vit(1024, 16, 16, {6, 6, 6, 6});
const ModelOptions kMoeBase = vmoe(vit(768, 12, 16, {3, 3, 3, 3}));

Job imagenet(Phase phase, const ModelOptions& model, int stage, const ModelOptions& meta) {
  Job job = small_job(std::to_string(stage), phase, Role::student, stage);
  job.facts.channels = 3;
  job.facts.image_size = 224;
  job.facts.classes = 1000;
  job.facts.train_images = 1281167;
  job.facts.test_images = 50000;
  job.model = model;
  job.meta = meta;
  return job;
}

/// Distillation of stage `stage` as the paper does it: the teacher's stage inside the same meta.
Job pair(const ModelOptions& model, const ModelOptions& teacher, const ModelOptions& meta,
         int stage) {
  Job job = imagenet(Phase::distill, model, stage, meta);
  job.teachers.push_back({"teacher", teacher, meta, false, {"finetune", {}}, job.meta_weights});
  return job;
}

struct Sums {
  double alone = 0, packed = 0;  ///< GFLOP per image of all four stages
};
template <class F>
Sums four_stages(F&& make) {
  Sums sums;
  double deepest = 0;
  for (int i = 0; i < 4; ++i) {
    const JobCost cost = cost_of(make(i));
    sums.alone += cost.train.executed / 1e9;
    sums.packed += (cost.train.executed - cost.prefix.executed) / 1e9;
    deepest = std::max(deepest, cost.prefix.executed / 1e9);
  }
  sums.packed += deepest;
  return sums;
}

// The tables count a gradient of the images that nobody computes: 0.23 GFLOP at width 768, 0.31 at
// 1024.
void expect_published(double ours, double published, double image_gradient) {
  EXPECT_NEAR(ours, published - image_gradient, 2e-4 * published);
}

TEST(JobCost, OfDistillingIsThatOfTheTable) {
  const double prefix[] = {0, 5.42, 10.54, 15.66};
  for (int i = 0; i < 4; ++i) {
    const JobCost cost = cost_of(pair(kMoeBase, kLarge, kMetaLarge, i));
    EXPECT_NEAR(cost.prefix.executed / 1e9, prefix[i], 0.006) << i;
  }
  const Sums sums = four_stages([](int i) { return pair(kMoeBase, kLarge, kMetaLarge, i); });
  expect_published(sums.alone, 369.77, 0.23);
  expect_published(sums.packed, 353.81, 0.23);
}

TEST(JobCost, CountsTheTokensOfEachPath) {
  // The student has 197 tokens and everything else 257: its first stage hands 197 on to the meta's
  // suffix.
  auto huge = vit(1280, 16, 14, {8, 8, 8, 8});
  huge.qkv_bias = false;
  auto meta = huge;
  meta.depths = {1, 1, 1, 1};
  auto student = vmoe(kLarge);
  student.own<VmoeOptions>().moe_blocks = "odd";
  const Sums sums = four_stages([&](int i) { return pair(student, huge, meta, i); });
  expect_published(sums.alone, 1074.16, 0.31);
  expect_published(sums.packed, 1042.06, 0.31);
}

TEST(JobCost, OfIncubatingIsThatOfTheTable) {
  const auto meta_base = vit(768, 12, 16, {1, 1, 1, 1});
  const Sums large =
      four_stages([](int i) { return imagenet(Phase::incubate, kLarge, i, kMetaLarge); });
  expect_published(large.alone, 424.43, 0.31);
  expect_published(large.packed, 408.46, 0.31);
  const Sums moe =
      four_stages([&](int i) { return imagenet(Phase::incubate, kMoeBase, i, meta_base); });
  expect_published(moe.alone, 198.37, 0.23);
  expect_published(moe.packed, 189.18, 0.23);
}

TEST(JobCost, OfWholeNetworksIsThatOfTheTable) {
  expect_published(
      cost_of(imagenet(Phase::pretrain, kMetaLarge, -1, kMetaLarge)).train.executed / 1e9, 49.52,
      0.31);
  expect_published(cost_of(imagenet(Phase::finetune, kLarge, -1, kMetaLarge)).train.executed / 1e9,
                   356.52, 0.31);
  Job kd = imagenet(Phase::final, kMoeBase, -1, kMetaLarge);
  expect_published(cost_of(kd).train.executed / 1e9, 159.55, 0.23);
  kd.teachers.push_back({"teacher", kLarge, {}, true, {"finetune", {}}, {}});
  expect_published(cost_of(kd).train.executed / 1e9, 278.39, 0.23);
  EXPECT_EQ(cost_of(kd).frozen, 304326632);
  EXPECT_NEAR(cost_of(kd).eval_flops / 1e9, 53.18, 0.006);
}

TEST(JobCost, WithoutDistillationLeavesTheTeacherOut) {
  Job with = pair(kMoeBase, kLarge, kMetaLarge, 1), without = with;
  without.train.objective.alpha = 0;
  Job none = without;
  none.teachers.clear();
  // Teacher's stage and suffix: 30.70 + 5.12 + 0.85.
  EXPECT_NEAR((cost_of(with).train.executed - cost_of(without).train.executed) / 1e9,
              30.70 + 5.12 + 0.85, 0.02);
  EXPECT_EQ(cost_of(without).train.executed, cost_of(none).train.executed);
  EXPECT_EQ(cost_of(without).frozen, cost_of(none).frozen);
  EXPECT_EQ(cost_of(without).eval_images, cost_of(none).eval_images);
}

TEST(JobCost, OfATeacherWithItsOwnMetaHasThatMetasPrefix) {
  Job job = pair(kMoeBase, kLarge, kMetaLarge, 2), other = job;
  other.teachers[0].meta_weights.job = "pretrain.other";
  const JobCost a = cost_of(job), b = cost_of(other);
  EXPECT_NEAR(b.train.executed - a.train.executed, a.prefix.executed, 1);
  EXPECT_EQ(b.prefix.executed, a.prefix.executed);
  EXPECT_GT(b.frozen, a.frozen);
}

TEST(JobCost, CountsParameters) {
  const JobCost cost = cost_of(pair(kMoeBase, kLarge, kMetaLarge, 1));
  EXPECT_EQ(cost.trainable, 122031384);  // with stitches
  EXPECT_EQ(cost.meta, 52402152);
  const auto meta_block = 12596224;
  EXPECT_EQ(cost.chain.parameters(), cost.trainable + cost.meta - meta_block);
  EXPECT_EQ(cost.frozen, cost.meta - meta_block + 75577344);
  EXPECT_EQ(cost.element_bytes, 4);
}

TEST(JobCost, CountsStepsAndImagesAsTheLoaderDoes) {
  Job job = small_job("e2e", Phase::final, Role::student, -1);
  job.facts.train_images = 1000;  // 15 steps of 64 per epoch
  EXPECT_EQ(cost_of(job).steps, 45);
  EXPECT_EQ(cost_of(job).images, 45 * 64);
  EXPECT_EQ(cost_of(job).eval_images, 10000);
  job.train.max_steps = 7;
  EXPECT_EQ(cost_of(job).steps, 7);
  job.train.max_steps = 0;
  job.facts.train_images = 50;  // less than one batch
  EXPECT_EQ(cost_of(job).steps, 3);
  EXPECT_EQ(cost_of(job).images, 150);
}

TEST(JobCost, CountsTheStepsOfThePublishedSampler) {
  Job job = small_job("a", Phase::distill, Role::student, 0);
  job.facts.train_images = 2999;  // 11 · 256 places are shown, 2999 / 64 is 46
  job.train.batch = 64;
  job.train.schedule.epochs = 3;
  job.data.order = Order::published;
  EXPECT_EQ(cost_of(job).steps, 3 * 44);
}

TEST(JobCost, CountsEvaluations) {
  Job job = small_job("e2e", Phase::final, Role::student, -1);
  job.train.schedule.epochs = 5;
  const auto images = [&](double every) {
    job.train.eval_epochs = every;
    return cost_of(job).eval_images;
  };
  EXPECT_EQ(images(0), 10000);
  EXPECT_EQ(images(1), 60000);
  EXPECT_EQ(images(0.5), 60000);
  EXPECT_EQ(images(2), 40000);  // after epochs 2 and 4, and at the end
  job.facts.validation_images = 500;
  job.data.validation_images = 500;
  EXPECT_EQ(images(2), 10000 + 3 * 500);
  job.start = PartsStart{};  // assembled: evaluated before training
  EXPECT_EQ(images(2), 20000 + 3 * 500);
  Job distill = small_job("distill.1", Phase::distill, Role::student, 1);
  distill.teachers.push_back({"teacher",
                              vit(64, 4, 7, {3, 3, 3, 3}),
                              distill.meta,
                              false,
                              {"t", {}},
                              distill.meta_weights});
  EXPECT_EQ(cost_of(distill).eval_images, 20000);
}
}  // namespace
}  // namespace m2mkd
