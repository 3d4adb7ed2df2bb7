#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <m2mkd/plan/cost.hpp>

#include "plan/hand_made.hpp"

namespace m2mkd {
namespace {

using test::costed;
using test::pointers;
using test::small_job;

TEST(CanShare, OnlyOnTheSameBatchesAndMeta) {
  const Job a = small_job("distill.0", Phase::distill, Role::student, 0);
  const Job b = small_job("incubate.1", Phase::incubate, Role::teacher, 1);
  EXPECT_TRUE(can_share(a, b));
  const auto refuses = [&](auto&& change) {
    Job other = b;
    change(other);
    return !can_share(a, other) && !can_share(other, a);
  };
  EXPECT_TRUE(refuses([](Job& j) { j.stage = -1; }));
  EXPECT_TRUE(refuses([](Job& j) { j.meta.width = 96; }));
  EXPECT_TRUE(refuses([](Job& j) { j.meta_weights.job = "pretrain.incubation"; }));
  EXPECT_TRUE(refuses([](Job& j) { j.meta_weights = {"", "meta.h5"}; }));
  EXPECT_TRUE(refuses([](Job& j) { j.data.flip = 0.5; }));
  EXPECT_TRUE(refuses([](Job& j) { j.train.batch = 128; }));
  EXPECT_TRUE(refuses([](Job& j) { j.train.micro_batch = 8; }));
  EXPECT_TRUE(refuses([](Job& j) { j.train.precision = Precision::fp64; }));
  EXPECT_TRUE(refuses([](Job& j) { j.seed = 1; }));
  EXPECT_TRUE(refuses([](Job& j) { j.facts.train_images = 9999; }));
  EXPECT_TRUE(refuses([](Job& j) { j.facts.train_digest = "another"; }));
  EXPECT_FALSE(refuses([](Job& j) {
    j.data.loader_depth = 9;
    j.train.schedule.lr = 1;
    j.train.schedule.epochs = 9;
    j.train.objective.alpha = 0;
    j.model.width = 96;
  }));
  const Job whole = small_job("pretrain", Phase::pretrain, Role::meta, -1);
  EXPECT_FALSE(can_share(whole, whole));
}

class PackCost : public testing::Test {
 protected:
  PackCost() {
    for (int i = 0; i < 4; ++i)
      jobs.push_back(costed(small_job(std::to_string(i), Phase::incubate, Role::student, i)));
    machine.gflops = 1e-3;  // so slow that only work counts
    machine.reduce_gb_s = machine.disk_gb_s = 1e6;
  }
  void leave_out_updates() {
    for (auto& job : jobs) job.cost.trainable = 0;
  }
  double seconds(int ranks) const { return test::pack_seconds(pointers(jobs), ranks, machine); }
  double alone(std::size_t i, int ranks) const {
    return test::pack_seconds(std::vector{&jobs[i]}, ranks, machine);
  }

  std::vector<Job> jobs;
  MachineOptions machine;
};

TEST_F(PackCost, IsWorkOverRateOnOneRank) {
  const JobCost c = jobs[0].cost;
  const double work = c.train.executed * c.images + c.eval_flops * c.eval_images;
  const double with_updates = alone(0, 1);
  EXPECT_GT(with_updates / (work / 1e6), 1);
  EXPECT_LT(with_updates / (work / 1e6), 1.1);
  leave_out_updates();
  EXPECT_NEAR(alone(0, 1) / (work / 1e6), 1, 1e-4);
}

TEST_F(PackCost, HasThePrefixOnce) {
  double separate = 0, saved = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    separate += alone(i, 1);
    if (i < 3)
      saved +=
          jobs[i].cost.prefix.executed * (jobs[i].cost.images + jobs[i].cost.eval_images) / 1e6;
  }
  EXPECT_GT(saved, 0);
  EXPECT_NEAR(separate - seconds(1), saved, 1e-5 * saved);
}

TEST_F(PackCost, CountsOnlyJobsThatStillTrain) {
  leave_out_updates();
  const double before = seconds(1);
  jobs[3].train.schedule.epochs = 6;
  jobs[3] = costed(jobs[3]);
  leave_out_updates();
  const JobCost& c = jobs[3].cost;
  EXPECT_NEAR((seconds(1) - before) / (c.train.executed * c.images / 2 / 1e6), 1, 1e-4);
}

TEST_F(PackCost, FallsWithWholeMicroBatches) {
  leave_out_updates();
  for (auto& job : jobs) job.cost.eval_images = 0;
  EXPECT_NEAR(seconds(1) / seconds(2), 2, 1e-3);
  EXPECT_NEAR(seconds(3) / seconds(2), 1, 1e-3);  // 4 micro-batches: one of 3 ranks has two
  EXPECT_NEAR(seconds(2) / seconds(4), 2, 1e-3);
}

TEST_F(PackCost, CountsTheReduction) {
  machine.reduce_gb_s = 1e-6;
  const JobCost& c = jobs[0].cost;
  const double bytes = static_cast<double>(c.steps * c.trainable) * 4;
  MachineOptions free = machine;
  free.reduce_gb_s = 1e9;
  const auto exposed = [&](int ranks) {
    const std::vector<const Job*> pack{&jobs[0]};
    return test::pack_seconds(pack, ranks, machine) - test::pack_seconds(pack, ranks, free);
  };
  EXPECT_EQ(exposed(1), 0);
  EXPECT_NEAR(exposed(4), 0.5 * 2 * 3 / 4 * bytes / 1e3, 1e-3 * bytes / 1e3);
}

TEST_F(PackCost, HoldsTrainedPartsFourTimesAndTheMetaOnce) {
  const JobCost& c = jobs[1].cost;
  const double alone = static_cast<double>(4 * c.trainable + c.frozen) * 4 + c.activations * 4 * 64;
  EXPECT_DOUBLE_EQ(pack_memory(std::vector<const Job*>{&jobs[1]}, 1), alone);
  EXPECT_DOUBLE_EQ(pack_memory(std::vector<const Job*>{&jobs[1]}, 2),
                   alone - c.activations * 4 * 32);
  double parameters = static_cast<double>(c.meta), activations = 0;
  for (const auto& job : jobs) {
    parameters += 4 * static_cast<double>(job.cost.trainable);
    activations = std::max(activations, job.cost.activations);
  }
  EXPECT_DOUBLE_EQ(pack_memory(pointers(jobs), 1), parameters * 4 + activations * 4 * 64);
  for (auto& job : jobs) job.train.forward_micro_batches = 1;
  EXPECT_DOUBLE_EQ(pack_memory(pointers(jobs), 1), parameters * 4 + activations * 4 * 16);
}

TEST_F(PackCost, KnowsItsFiles) {
  EXPECT_EQ(job_disk(jobs[0]), static_cast<double>(jobs[0].cost.trainable) * 4 * 7);
}

}  // namespace
}  // namespace m2mkd
