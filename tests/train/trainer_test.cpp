// What one rank leaves behind: stopped, damaged, prolonged, or simply finished. (On several ranks:
// tests/mpi/trainer_test.cpp.)

#include <fstream>

#include <m2mkd/store/checkpoint.hpp>

#include "train/serial_training.hpp"

namespace m2mkd {
namespace {

using namespace test;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Training : public SerialTraining {
 protected:
  std::vector<Task> tasks(const std::string& name, double epochs = 2) const {
    return distill_tasks(small_options(epochs), run(name));
  }
  void expect_same(const std::string& a, const std::string& b) const {
    for (int i = 0; i < 3; ++i)
      EXPECT_THAT(differences(run(a), run(b), "distill." + std::to_string(i)), IsEmpty()) << a;
  }
};

std::vector<at::Tensor> copies(const Chain& chain) {
  std::vector<at::Tensor> all;
  for (const auto& p : parameters(chain)) all.push_back(p.tensor.detach().clone());
  return all;
}
bool all_equal(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  return std::ranges::equal(a, b, [](const auto& x, const auto& y) { return at::equal(x, y); });
}

TEST_F(Training, LeavesFrozenStagesAsTheyWereBitForBit) {
  const Networks networks;
  const auto meta = copies(networks.meta), teacher = copies(networks.teacher);
  const auto student = copies(networks.student);
  const Chain one{"", {networks.student.stages[1]}, nullptr};
  const auto before = copies(one);
  train({distill_task(networks, 1, small_options(2), run("a"))}, data());
  EXPECT_TRUE(all_equal(copies(networks.meta), meta));
  EXPECT_TRUE(all_equal(copies(networks.teacher), teacher));
  const auto after = copies(one);
  for (std::size_t i = 0; i < after.size(); ++i) EXPECT_FALSE(at::equal(after[i], before[i])) << i;
}

TEST_F(Training, Learns) {
  auto data = this->data();
  data.mixup = data.smoothing = data.flip = 0;
  data.crop_pad = 0;
  auto options = small_options(20);
  options.schedule.lr = 1e-2;
  train({small_task("pretrain", Networks().meta, {0, 1, 2}, options, run("a"))}, data);
  const auto attributes = read_attributes(run("a") / "modules" / "pretrain.h5");
  EXPECT_GT(number_attribute(attributes, "acc1"), 90);
  EXPECT_LT(number_attribute(attributes, "start_acc1"), 60);
  EXPECT_GT(number_attribute(attributes, "peak_memory"), 3e7) << "bytes: LibTorch alone has more";
}

TEST_F(Training, PublishesTheTrainedStagesAndRemovesTheCheckpoints) {
  train(tasks("a"), data());
  for (const auto& [name, tensor] : module_tensors(run("a"), "distill.1"))
    EXPECT_THAT(name, testing::StartsWith("stages/1/"));
  EXPECT_FALSE(std::filesystem::exists(run("a") / "checkpoints" / "distill.1"));
  EXPECT_EQ(integer_attribute(read_attributes(run("a") / "modules" / "distill.1.h5"), "steps"), 12);
  EXPECT_THAT(metrics(run("a"), "distill.1", "epochs", "epoch"), ElementsAre(1, 2));
}

TEST_F(Training, StoppedAtAnyBeatEndsAsIfItHadNot) {
  std::size_t beats = 0;
  train(tasks("whole", 1), data(), {}, [&](const std::string&) { ++beats; });
  ASSERT_GT(beats, 15u);
  for (std::size_t k = 0; k < beats; ++k) {
    const std::string name = "stopped at beat " + std::to_string(k);
    EXPECT_EQ(train_until(k, tasks(name, 1)), Outcome::stopped) << name;
    EXPECT_EQ(train(tasks(name, 1), data()), Outcome::finished) << name;
    expect_same(name, "whole");
  }
}

// One job of the pack has a damaged file: all go back to the older step.
TEST_F(Training, ADamagedNewestCheckpointFallsBackToTheOlder) {
  auto pack = tasks("damaged");
  for (auto& task : pack) task.options.checkpoint_seconds = 0;
  train_until(12, pack);
  const CheckpointFolder checkpoints(run("damaged") / "checkpoints" / "distill.1");
  const auto steps = checkpoints.steps();
  ASSERT_EQ(steps.size(), 2u);
  ASSERT_GT(steps[1], 0);
  {
    std::fstream file(checkpoints.path(steps[0]), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(
        static_cast<std::streamoff>(std::filesystem::file_size(checkpoints.path(steps[0])) / 2));
    file.write("damage", 6);
  }
  std::size_t trained = 0;
  train(tasks("damaged"), data(), {},
        [&](const std::string& what) { trained += what == "training step"; });
  EXPECT_EQ(static_cast<std::int64_t>(trained), 12 - steps[1]);
  train(tasks("whole"), data());
  expect_same("damaged", "whole");
}

TEST_F(Training, RefusesTheCheckpointOfOtherSettings) {
  train_until(10, tasks("a"));
  auto pack = tasks("a");
  pack[2].provenance["identity"] = "job = another\n";
  try {
    train(pack, data());
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("distill.2"));
  }
}

TEST_F(Training, MaxStepsKeepsTheCheckpointAndGoesOnLater) {
  train(tasks("whole"), data());
  for (const std::int64_t steps : {6, 12}) {
    auto pack = tasks("at an epoch's end");
    for (auto& task : pack) task.options.max_steps = steps;
    EXPECT_EQ(train(pack, data()), Outcome::finished);
    EXPECT_EQ(std::filesystem::exists(pack[0].checkpoints), steps == 6);
    EXPECT_EQ(integer_attribute(read_attributes(pack[0].module_file), "steps"), steps);
  }
  expect_same("at an epoch's end", "whole");
}

// A stop inside an epoch closes a row of the epoch columns there; all else is as it would have
// been.
TEST_F(Training, MaxStepsInsideAnEpochChangesNoStep) {
  train(tasks("whole"), data());
  for (const std::int64_t steps : {3, 8, 0}) {
    auto pack = tasks("parts");
    for (auto& task : pack) task.options.max_steps = steps;
    train(pack, data());
  }
  for (const auto* job : {"distill.0", "distill.1", "distill.2"}) {
    const auto parts = module_tensors(run("parts"), job), whole = module_tensors(run("whole"), job);
    for (std::size_t i = 0; i < whole.size(); ++i)
      EXPECT_TRUE(at::equal(parts[i].second, whole[i].second)) << parts[i].first;
    for (const auto* column : {"step", "loss", "lr", "grad_norm"})
      EXPECT_EQ(metrics(run("parts"), job, "steps", column),
                metrics(run("whole"), job, "steps", column));
  }
}

// Jobs that share their batches are evaluated each by its own settings.
TEST_F(Training, EvaluatesEveryJobOfAPackByItsOwnSettings) {
  auto pack = distill_tasks(small_options(1), run("pack"));
  pack[0].options.eval_batch = 16;
  pack[0].options.eval_drop_last = true;
  pack[1].options.published_meter = true;
  pack[2].options.eval_batch = 7;
  train(pack, data());
  const auto module = [&](int i) {
    return read_attributes(run("pack") / "modules" / fmt::format("distill.{}.h5", i));
  };
  EXPECT_EQ(integer_attribute(module(0), "test_images"), 32);  // of 40
  EXPECT_EQ(integer_attribute(module(0), "test.dropped"), 8);
  EXPECT_EQ(integer_attribute(module(1), "test_images"), 40);
  EXPECT_EQ(integer_attribute(module(2), "test_images"), 40);
  EXPECT_FALSE(module(0).contains("acc1_published"));
  EXPECT_TRUE(module(1).contains("acc1_published"));
  EXPECT_FALSE(module(2).contains("acc1_published"));
}

TEST_F(Training, RefusesAPackWithoutCommonBatches) {
  auto pack = tasks("a");
  pack[1].options.batch = 8;
  EXPECT_THROW(train(pack, data()), std::logic_error);
  EXPECT_THROW(train({}, data()), std::logic_error);
}

}  // namespace
}  // namespace m2mkd
