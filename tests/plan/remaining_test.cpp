// What is left of a run, by its files.

#include <m2mkd/run/remaining.hpp>
#include <m2mkd/store/checkpoint.hpp>

#include "plan/check_run.hpp"
#include "plan/hand_made.hpp"

namespace m2mkd {
namespace {

using namespace test;

class Remaining : public CheckedRun {
 protected:
  double left(const RunFolder& run, const MachineOptions& machine = {}) const {
    return seconds_left(*list, shares_left(*list, run), 1, machine);
  }
};

TEST_F(Remaining, IsNothingWhereAllIsFinishedAndAllWhereNothingIs) {
  EXPECT_EQ(left({folder / "run"}), 0);
  double all = 0;
  for (const auto& names : assign_waves(*list, 1, {})) {
    std::vector<const Job*> jobs;
    for (const auto& name : names) jobs.push_back(&list->find(name));
    all += make_wave(jobs, 1, {}).seconds();
  }
  EXPECT_DOUBLE_EQ(left({folder / "none"}), all);
}

TEST_F(Remaining, CountsTheStepsOfTheNewestCheckpoint) {
  const RunFolder run{folder / "half"};
  const Job& job = list->find("pretrain");  // 8 epochs of 6 steps
  TensorFile state;
  state.tensors = {{"x", at::ones({1})}};
  CheckpointFolder(run.checkpoints("pretrain")).save(12, state);
  const auto shares = shares_left(*list, run);
  EXPECT_DOUBLE_EQ(shares.at("pretrain"), 0.75);
  EXPECT_EQ(shares.at("finetune"), 1);
  const auto rest = jobs_left(*list, shares);
  ASSERT_EQ(rest.size(), list->jobs.size());
  EXPECT_EQ(rest.front().cost.steps, 36);
  EXPECT_DOUBLE_EQ(rest.front().cost.images, 0.75 * job.cost.images);
  const double whole = left({folder / "none"}), less = left(run);
  MachineOptions slow;
  slow.gflops = 1e-3;
  const Job* one[] = {&job};
  const Job* part[] = {&rest.front()};
  EXPECT_LT(less, whole);
  EXPECT_NEAR(pack_seconds(part, 1, slow) / pack_seconds(one, 1, slow), 0.75, 0.01);
}

TEST_F(Remaining, IsReckonedAtTheRateOfFinishedJobs) {
  const auto run = copy();
  auto file = read_tensor_file(run.module("pretrain"));
  file.attributes["flops"] = 3e12;
  file.attributes["rank_seconds"] = 1000.0;
  write_tensor_file(run.module("pretrain"), file);
  // The other jobs of this tiny run add next to nothing to either.
  EXPECT_NEAR(measured_machine(*list, run, {}).gflops, 3, 0.2);
  EXPECT_EQ(measured_machine(*list, {folder / "none"}, {}).gflops, MachineOptions{}.gflops);
}

}  // namespace
}  // namespace m2mkd
