// One image holds a NaN: every step that meets it has a loss that is not finite.

#include <m2mkd/store/checkpoint.hpp>

#include "train/serial_training.hpp"

namespace m2mkd {
namespace {

using namespace test;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

class NonFiniteLoss : public SerialTraining {
 protected:
  NonFiniteLoss() {
    write_small_images(folder_ / "broken.h5", "train", 96, 16 * 3 + 5);
    write_small_images(folder_ / "tensors.h5", "test", 40, 40);
  }

  /// In file order: the fourth step of each of the two epochs is bad.
  DataOptions broken() const {
    DataOptions data;
    data.train = folder_ / "broken.h5";
    data.test = folder_ / "tensors.h5";
    data.order = Order::sequential;
    return data;
  }
  Task task(const Networks& networks, int i, NonFinite policy, const std::string& name) const {
    auto options = small_options(2);
    options.non_finite = policy;
    options.clip_grad = 0;
    return distill_task(networks, i, options, run(name));
  }
  void train_skipping() const {
    for (int i = 0; i < 2; ++i) train({task(Networks(), i, NonFinite::skip, "skip")}, broken());
  }
};

TEST_F(NonFiniteLoss, StopsAndNamesJobStepAndPlace) {
  try {
    train({task(Networks(), 1, NonFinite::stop, "a")}, broken());
    ADD_FAILURE() << "went on";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("distill.1"), HasSubstr("step 3"),
                                    HasSubstr("images are not finite"), HasSubstr("non_finite")));
  }
}

TEST_F(NonFiniteLoss, OrIsSkippedAndTrainingGoesOn) {
  train_skipping();
  const auto losses = metrics(run("skip"), "distill.1", "steps", "loss");
  ASSERT_EQ(losses.size(), 12u);
  for (std::size_t step = 0; step < losses.size(); ++step)
    EXPECT_EQ(std::isfinite(losses[step]), step % 6 != 3) << step;
  for (const double loss : metrics(run("skip"), "distill.1", "epochs", "loss"))
    EXPECT_TRUE(std::isfinite(loss)) << "columns leave the skipped step out";
  for (const auto& [name, tensor] : module_tensors(run("skip"), "distill.1"))
    EXPECT_TRUE(tensor.isfinite().all().item<bool>()) << name;
}

// The job that restores comes to what skipping gives; the other one of its pack waits for it and
// comes to what it would have come to. Without any checkpoint in time it begins anew.
TEST_F(NonFiniteLoss, OrTheJobRestoresWhileTheOthersWait) {
  train_skipping();
  for (const double seconds : {0.0, 300.0}) {
    const std::string name = "restore " + std::to_string(seconds);
    const Networks networks;
    std::vector pack{task(networks, 0, NonFinite::restore, name),
                     task(networks, 1, NonFinite::skip, name)};
    for (auto& t : pack) t.options.checkpoint_seconds = seconds;
    EXPECT_EQ(train(pack, broken()), Outcome::finished);
    for (const auto* job : {"distill.0", "distill.1"})
      EXPECT_THAT(differences(run(name), run("skip"), job), IsEmpty()) << name;
    const auto a = read_attributes(run(name) / "modules" / "distill.0.h5"),
               b = read_attributes(run(name) / "modules" / "distill.1.h5");
    EXPECT_EQ(integer_attribute(a, "restores"), 2) << "the second epoch meets the image again";
    EXPECT_EQ(integer_attribute(a, "skipped_steps"), 2);
    EXPECT_EQ(integer_attribute(b, "restores"), 0);
    EXPECT_EQ(integer_attribute(b, "skipped_steps"), 2);
  }
}

/// Hands on what it gets plus 0 · √w: finite whatever w ≥ 0 is, with a gradient of 0 · ∞ at w = 0.
class RootStage : public Stage {
 public:
  at::Tensor forward(const at::Tensor& x, const ForwardContext&) const override {
    return x + 0 * w.sqrt();
  }
  std::vector<Parameter> parameters() const override { return {{"w", w, {}}}; }
  StageCost cost(std::int64_t) const override { return {}; }
  std::int64_t tokens_out(std::int64_t tokens) const override { return tokens; }
  at::Tensor w = at::zeros({1}, at::kDouble);
};

// Whether anything is clipped or logged or not, and in the only step as in any other.
TEST_F(NonFiniteLoss, AGradientBehindAFiniteLossReachesNoFile) {
  for (const bool clips : {false, true}) {
    const Networks networks;
    auto chain = networks.meta;
    chain.stages[1] = std::make_shared<RootStage>();
    auto options = small_options(1);
    options.clip_grad = clips ? 1 : 0;
    options.log_steps = false;
    options.max_steps = 1;
    const auto one = small_task("root.1", chain, {1}, options, run("root"));
    EXPECT_THAT([&] { train({one}, data()); },
                testing::ThrowsMessage<Error>(AllOf(HasSubstr("root.1: loss 1."),
                                                    HasSubstr("nan at step 0 is not finite"),
                                                    HasSubstr("newest good checkpoint"))));
    EXPECT_FALSE(std::filesystem::exists(one.module_file));
    std::filesystem::remove_all(run("root"));
  }
}

// A network or an optimizer that an update has broken is neither saved nor published.
TEST_F(NonFiniteLoss, AnUpdateThatBreaksTheNetworkReachesNoFile) {
  auto broken = task(Networks(), 1, NonFinite::skip, "huge");
  broken.options.schedule.lr = broken.options.schedule.min_lr = 1e308;
  broken.options.schedule.warmup_share = 0;
  broken.options.max_steps = 1;
  EXPECT_THAT([&] { train({broken}, data()); },
              testing::ThrowsMessage<Error>(AllOf(HasSubstr("values that are not finite"),
                                                  HasSubstr("there is no good checkpoint"))));
  EXPECT_FALSE(std::filesystem::exists(broken.module_file));
  EXPECT_THAT(CheckpointFolder(broken.checkpoints).steps(), IsEmpty());
}

// What is left out after a restore is part of the checkpoint: a stop right behind it does not lose
// it, and counts once.
TEST_F(NonFiniteLoss, WhatIsLeftOutSurvivesAStop) {
  train_skipping();
  std::size_t steps = 0;
  const auto pack = [&] {
    auto one = task(Networks(), 0, NonFinite::restore, "stopped");
    one.options.checkpoint_seconds = 300;
    return std::vector{one};
  };
  train(pack(), broken(), {}, [&](const std::string& what) {
    if (what == "training step" && ++steps == 5) stop::request();  // the first after the return
  });
  stop::clear();
  steps = 0;
  train(pack(), broken(), {},
        [&](const std::string& what) { steps += what == "training step" ? 1 : 0; });
  EXPECT_THAT(differences(run("stopped"), run("skip"), "distill.0"), IsEmpty());
  EXPECT_EQ(
      integer_attribute(read_attributes(run("stopped") / "modules" / "distill.0.h5"), "restores"),
      2);
}

// Bounds: in a row, and in all.
TEST_F(NonFiniteLoss, IsNotSkippedForEver) {
  for (const auto policy : {NonFinite::skip, NonFinite::restore}) {
    auto few = task(Networks(), 0, policy, "few");
    few.options.non_finite_share = 0.1;  // of 12 steps: one
    EXPECT_THAT(
        [&] { train({few}, broken()); },
        testing::ThrowsMessage<Error>(AllOf(HasSubstr("distill.0"), HasSubstr("2 of 12 steps"),
                                            HasSubstr("non_finite_share"), HasSubstr("step 9"))));
    std::filesystem::remove_all(run("few"));
  }
  DataOptions data = broken();
  write_small_images(folder_ / "all.h5", "train", 96, kEveryImage);
  data.train = folder_ / "all.h5";
  for (const auto policy : {NonFinite::skip, NonFinite::restore}) {
    auto row = task(Networks(), 0, policy, "row");
    row.options.non_finite_row = 3;
    row.options.non_finite_share = 1;
    EXPECT_THAT(
        [&] { train({row}, data); },
        testing::ThrowsMessage<Error>(AllOf(HasSubstr("4 steps in a row"),
                                            HasSubstr("non_finite_row"), HasSubstr("step 3"))));
    EXPECT_FALSE(std::filesystem::exists(row.module_file));
    std::filesystem::remove_all(run("row"));
  }
}

// A job that must stop saves what is good of all jobs of its pack, and says so.
TEST_F(NonFiniteLoss, StopsAfterSavingWhatIsGood) {
  const Networks networks;
  const std::vector pack{task(networks, 0, NonFinite::skip, "saved"),
                         task(networks, 1, NonFinite::stop, "saved")};
  EXPECT_THAT([&] { train(pack, broken()); },
              testing::ThrowsMessage<Error>(HasSubstr("newest good checkpoint is that of step 3")));
  EXPECT_THAT(CheckpointFolder(pack[0].checkpoints).steps(), testing::ElementsAre(4));
  EXPECT_THAT(CheckpointFolder(pack[1].checkpoints).steps(), testing::ElementsAre(3));
  // Skipping is no other training: both go on from there, the second one catches up.
  train_skipping();
  std::size_t steps = 0;
  train({task(networks, 0, NonFinite::skip, "saved"), task(networks, 1, NonFinite::skip, "saved")},
        broken(), {}, [&](const std::string& what) { steps += what == "training step" ? 1 : 0; });
  EXPECT_EQ(steps, 9U);
  for (const auto* job : {"distill.0", "distill.1"})
    EXPECT_THAT(differences(run("saved"), run("skip"), job), IsEmpty());
}

}  // namespace
}  // namespace m2mkd
