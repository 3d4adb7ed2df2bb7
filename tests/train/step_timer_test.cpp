#include <numeric>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <m2mkd/base/stop.hpp>
#include <m2mkd/nn/family.hpp>
#include <m2mkd/nn/initialise.hpp>
#include <m2mkd/nn/moe.hpp>
#include <m2mkd/train/step_timer.hpp>

#include "data/packed.hpp"

namespace m2mkd::test {
namespace {

const ImageShape kShape{1, 8, 4};

ModelOptions model(const Family* name) {
  ModelOptions o;
  o.model = name;
  o.width = 8;
  o.heads = 2;
  o.patch = 4;
  o.depths = {1, 1, 1};
  o.own<VmoeOptions>().experts = 3;
  return o;
}

Chain chain(const Family* name, const std::string& role) {
  Chain c = make_chain(model(name), kShape, 8, role, at::kFloat);
  initialise(c, 7);
  return c;
}

Task task(Chain chain, std::vector<int> trained, std::vector<Chain> teachers = {}) {
  Task t;
  t.name = "test";
  t.chain = std::move(chain);
  t.trained = std::move(trained);
  t.teachers = std::move(teachers);
  t.options.batch = 10;
  t.options.micro_batch = 4;  // the last micro-batch holds 2
  return t;
}

std::vector<at::Tensor> copies(const Chain& chain) {
  std::vector<at::Tensor> all;
  for (const auto& p : parameters(chain)) all.push_back(p.tensor.detach().clone());
  return all;
}

// Per stage: did any of its tensors change?
std::vector<bool> changed(const Chain& chain, const std::vector<at::Tensor>& before) {
  std::vector<bool> result(chain.stages.size(), false);
  const auto now = parameters(chain);
  for (std::size_t i = 0; i < now.size(); ++i)
    if (!at::equal(now[i].tensor, before[i]))
      result[static_cast<std::size_t>(std::stoi(now[i].name.substr(7)))] = true;
  return result;
}

class StepTimer : public ::testing::Test {
 protected:
  void TearDown() override { stop::clear(); }
};

TEST_F(StepTimer, MedianLeavesOutliersOut) {
  EXPECT_EQ(median({}), 0);
  EXPECT_EQ(median({3, 1, 2}), 2);
  EXPECT_EQ(median({8, 1, 2, 4}), 3);
  EXPECT_EQ((StepTimes{10, {0.5, 0.25, 90}, false}.images_per_second()), 20);
  EXPECT_EQ((StepTimes{10, {}, false}.images_per_second()), 0);
}

TEST_F(StepTimer, WarmUpStepsAreMadeButNotTimed) {
  int calls = 0;
  const auto times = time_steps([&] { ++calls; }, 64, {}, {/*seconds=*/0, /*warm_up=*/3});
  EXPECT_EQ(calls, 4);
  EXPECT_EQ(times.seconds.size(), 1U);
  EXPECT_EQ(times.images, 64);
}

TEST_F(StepTimer, GoesOnForTheTimeAskedAndNoStepLonger) {
  const auto times = time_steps([] {}, 1, {}, {0.01, 0});
  const double all = std::accumulate(times.seconds.begin(), times.seconds.end(), 0.0);
  EXPECT_GE(all, 0.01);
  EXPECT_LT(all - times.seconds.back(), 0.01);
}

TEST_F(StepTimer, AStopEndsItAndIsTold) {
  int calls = 0;
  const auto times = time_steps(
      [&] {
        if (++calls == 3) stop::request();
      },
      1, {}, {1e9, 1});
  EXPECT_TRUE(times.stopped);
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(times.seconds.size(), 1U);
}

TEST_F(StepTimer, TrainingStepsOfAPackTrainEveryJobAndNothingElse) {
  const Chain meta = chain(family("vit"), "meta"), teacher = chain(family("vit"), "teacher");
  const Chain student = chain(family("vmoe"), "student");
  std::vector<Task> pack;
  for (const int i : {1, 2}) {
    const auto at = static_cast<std::size_t>(i);
    pack.push_back(
        task(splice(meta, i, student.stages[at]), {i}, {splice(meta, i, teacher.stages[at])}));
  }
  const auto meta_before = copies(meta), teacher_before = copies(teacher),
             student_before = copies(student);
  const auto times = time_training(pack, kShape, {}, {0, 1});
  EXPECT_EQ(times.images, 10);
  ASSERT_EQ(times.seconds.size(), 1U);
  EXPECT_GT(times.images_per_second(), 0);
  EXPECT_EQ(changed(student, student_before), (std::vector<bool>{false, true, true}));
  EXPECT_EQ(changed(meta, meta_before), std::vector<bool>(3, false));
  EXPECT_EQ(changed(teacher, teacher_before), std::vector<bool>(3, false));
}

// The division into forwards is the loader's: every sample once, whatever the memory. In double,
// because AdamW's first step is nearly the gradient's sign.
TEST_F(StepTimer, ForwardsOfOneMicroBatchMakeTheSameStep) {
  std::vector<std::vector<at::Tensor>> after;
  for (const std::int64_t together : {0, 1, 2}) {
    Chain whole = make_chain(model(family("vit")), kShape, 8, "meta", at::kDouble);
    initialise(whole, 7);
    Task t = task(whole, {0, 1, 2});
    t.options.precision = Precision::fp64;
    t.options.forward_micro_batches = together;
    const auto before = copies(whole);
    time_training({t}, kShape, {}, {0, 0});
    EXPECT_EQ(changed(whole, before), std::vector<bool>(3, true));
    after.push_back(copies(whole));
  }
  for (std::size_t i = 0; i < after[0].size(); ++i)
    for (const std::size_t k : {1U, 2U})
      EXPECT_TRUE(at::allclose(after[k][i], after[0][i], 0, 1e-7));
}

TEST_F(StepTimer, EvaluationSeesEveryImageAndChangesNothing) {
  const Chain student = chain(family("vmoe"), "student");
  const auto before = copies(student);
  const auto times = time_evaluation(student, kShape, Precision::fp32, 7, 3, {}, {0, 0});
  EXPECT_EQ(times.images, 7);
  EXPECT_EQ(times.seconds.size(), 1U);
  EXPECT_EQ(changed(student, before), std::vector<bool>(3, false));
}

TEST_F(StepTimer, LoadingTakesWholeStepsOfTheLoader) {
  const Packed packed(header(25));
  LoaderOptions options;
  options.batch = 10;
  TrainLoader loader(packed.open(), packed.options, options);
  const auto times = time_loading(loader, {}, {0.02, 2});
  EXPECT_EQ(times.images, 10);
  EXPECT_FALSE(times.stopped);
  EXPECT_GT(times.images_per_second(), 0);
  stop::request();
  EXPECT_TRUE(time_loading(loader, {}, {1e9, 0}).stopped);
}

}  // namespace
}  // namespace m2mkd::test
