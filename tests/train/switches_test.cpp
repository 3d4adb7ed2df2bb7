// Switches of a training, each in both positions. (Those of the loss: objective_test.cpp; of the
// schedule: schedule_test.cpp.)

#include <m2mkd/nn/initialise.hpp>
#include <m2mkd/train/objective.hpp>
#include <m2mkd/train/overfit.hpp>
#include <m2mkd/train/schedule.hpp>

#include "train/serial_training.hpp"

namespace m2mkd {
namespace {

using namespace test;
using testing::IsEmpty;

class Switches : public SerialTraining {
 protected:
  DataOptions plain_data() const {
    auto d = data();
    d.mixup = d.cutmix = d.smoothing = d.flip = 0;
    d.crop_pad = 0;
    d.order = Order::sequential;
    return d;
  }
  /// The first `count` images as one batch.
  at::Tensor images(std::int64_t count) const {
    EvalLoader loader(Dataset(plain_data(), Split::train), plain_data(), count, 0, 1, at::kDouble);
    Batch batch;
    loader.next(batch);
    labels = batch.labels;
    return batch.images;
  }
  TrainOptions one_step() const {
    auto o = small_options(1);
    o.max_steps = 1;
    o.clip_grad = 0;
    o.eval_epochs = 0;
    return o;
  }
  double first(const std::string& name, const std::string& job, const std::string& column) const {
    return metrics(run(name), job, "steps", column).at(0);
  }
  mutable at::Tensor labels;
};

TEST_F(Switches, LrIsScaledByTheBatchOnlyWhereAsked) {
  TrainOptions o;
  o.schedule.lr = 5e-4;
  o.batch = 2048;
  EXPECT_EQ(schedule(o).lr, 5e-4);
  o.schedule.lr_batch = 512;
  EXPECT_DOUBLE_EQ(schedule(o).lr, 2e-3);  // reference/vmoe §4: pretraining and modules
  o.batch = 1024;
  EXPECT_DOUBLE_EQ(schedule(o).lr, 1e-3);  // fine-tuning
  EXPECT_EQ(schedule(o).min_lr, o.schedule.min_lr);
}

TEST_F(Switches, ClippingUnderMixedPrecisionAloneLeavesFp64Unclipped) {
  auto o = one_step();
  train({distill_task(Networks(), 1, o, run("none"))}, plain_data());
  o.clip_grad = 1e-3;
  train({distill_task(Networks(), 1, o, run("always"))}, plain_data());
  o.clip_mixed_only = true;
  train({distill_task(Networks(), 1, o, run("mixed"))}, plain_data());
  EXPECT_THAT(differences(run("mixed"), run("none"), "distill.1"), IsEmpty());
  EXPECT_FALSE(differences(run("always"), run("none"), "distill.1").empty());
}

TEST_F(Switches, ClippingLeavesGradientsBelowItsBoundAsTheyAre) {
  auto o = one_step();
  train({distill_task(Networks(), 1, o, run("none"))}, plain_data());
  o.clip_grad = 1e3;
  ASSERT_LT(first("none", "distill.1", "grad_norm"), o.clip_grad / 10);
  train({distill_task(Networks(), 1, o, run("far"))}, plain_data());
  EXPECT_THAT(differences(run("far"), run("none"), "distill.1"), IsEmpty());
}

// A teacher's stage runs in its own meta, not behind the student's.
TEST_F(Switches, ATeacherWithAMetaOfItsOwnIsAskedThere) {
  const Networks networks, other;
  initialise(other.meta, 9);
  const auto x = images(16);
  const auto student =
      make_distill_form(small_model(family("vmoe"), 8), kSmallShape, 1, 16, at::kDouble);
  const Chain alone{"student", {nullptr, student, nullptr}, nullptr};
  initialise(alone, 3);
  const Chain hybrid = splice(networks.meta, 1, student),
              teacher = splice(other.meta, 1, other.teacher.stages[1]);
  const auto z = at::log_softmax(hybrid.forward(x, {}), 1),
             p = at::softmax(teacher.forward(x, {}), 1);
  const double kl = (p * (p.log() - z)).sum().item<double>() / 16;
  auto o = one_step();
  Task task = small_task("distill.1", hybrid, {1}, o, run("own"));
  task.teachers = {teacher};
  train({task}, plain_data());
  EXPECT_NEAR(first("own", "distill.1", "kl"), kl, 1e-12);
  EXPECT_GT(kl, 1e-3);
}

// The meta with a drop-path rate: in evaluation mode it must not matter, in training mode it must.
TEST_F(Switches, FrozenStagesDropPathsOnlyWhereAsked) {
  const auto incubate = [&](double rate, bool frozen, const std::string& name) {
    auto model = small_model(family("vit"), 16);
    model.drop_path = rate;
    model.ramp = DropPathRamp{{1, 2, 3}, 4};
    const Networks networks;
    Chain meta = make_chain(model, kSmallShape, 16, "meta", at::kDouble);
    initialise(meta, 3);
    auto o = one_step();
    o.frozen_drop_path = frozen;
    train(
        {small_task("incubate.1", splice(meta, 1, networks.teacher.stages[1]), {1}, o, run(name))},
        plain_data());
    return first(name, "incubate.1", "loss");
  };
  const double base = incubate(0, false, "a");
  EXPECT_EQ(incubate(0.5, false, "b"), base);
  EXPECT_EQ(incubate(0, true, "c"), base);
  EXPECT_NE(incubate(0.5, true, "d"), base);
}

TEST_F(Switches, FixedStepHasNothingRandomInItsImages) {
  DataOptions d = data();
  d.crop_pad = 0;
  d.flip = 1;
  d.random_resized_crop = true;
  d.rand_augment = "rand-m9-mstd0.5-inc1";
  d.erasing = 1;
  d.mixup = 0.8;
  d.mix_per = MixPer::rank_batch;
  d.order = Order::published;
  d.published_ranks = 5;  // 16 images do not divide into them
  auto plain = plain_data();
  plain.order = Order::shuffled;
  const auto step = [&](const DataOptions& options) {
    return fixed_step(options, one_step(), 5, {}).batches.at(0);
  };
  EXPECT_TRUE(at::equal(step(d).images, step(plain).images));
  EXPECT_FALSE(step(d).targets.defined());
}

TEST_F(Switches, FeatureDistillationAddsTheDistanceOfTheStagesOutputs) {
  const Networks networks;
  const auto x = images(16);
  const ForwardContext eval;
  const auto prefix = networks.meta.forward(x, eval, 0, 1);
  // Drop-path off: only its position, not its draws, would be known here.
  auto student_model = small_model(family("vmoe"), 8);
  const auto student = make_distill_form(student_model, kSmallShape, 1, 16, at::kDouble);
  const Chain alone{"student", {nullptr, student, nullptr}, nullptr};
  initialise(alone, 3);
  auto o = one_step();
  const auto task = [&](const std::string& name) {
    Task t = small_task("distill.1", splice(networks.meta, 1, student), {1}, o, run(name));
    t.teachers = {splice(networks.meta, 1, networks.teacher.stages[1])};
    return t;
  };
  const double distance = feature_loss(student->forward(prefix, eval),
                                       networks.teacher.stages[1]->forward(prefix, eval))
                              .item<double>() /
                          16;
  train({task("without")}, plain_data());
  initialise(alone, 3);
  o.objective.feature_weight = 0.7;
  train({task("with")}, plain_data());
  EXPECT_GT(distance, 1e-4);
  EXPECT_NEAR(first("with", "distill.1", "loss") - first("without", "distill.1", "loss"),
              0.7 * distance, 1e-12);
}

TEST_F(Switches, BalanceLossIsAddedAndDoesNotDependOnTheForwards) {
  const auto run_with = [&](double weight, std::int64_t together, const std::string& name) {
    auto model = small_model(family("vmoe"), 8);
    model.own<VmoeOptions>().balance_loss = weight;
    Chain student = make_chain(model, kSmallShape, 8, "student", at::kDouble);
    initialise(student, 3);
    auto o = one_step();
    o.max_steps = 3;
    o.forward_micro_batches = together;
    train({small_task("final", student, {0, 1, 2}, o, run(name))}, plain_data());
    return first(name, "final", "loss") - first(name, "final", "ce");
  };
  EXPECT_EQ(run_with(0, 0, "none"), 0);
  const double term = run_with(0.01, 0, "all");
  EXPECT_GT(term, 0.01 * 3 * 0.9);  // three blocks, about 1 each
  EXPECT_LT(term, 0.01 * 3 * 3);
  EXPECT_NEAR(run_with(0.01, 1, "one"), term, 1e-15);
  EXPECT_THAT(differences(run("all"), run("one"), "final", 1e-12), IsEmpty());
  EXPECT_FALSE(differences(run("all"), run("none"), "final", 1e-12).empty());
}

}  // namespace
}  // namespace m2mkd
