// One image holds a NaN: every step that meets it has a loss that is not finite.

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

// The job that restores leaves its pack, and comes to what skipping gives, alone; the other one
// does not notice. Without any checkpoint in time it begins anew.
TEST_F(NonFiniteLoss, OrTheJobRestoresAndFinishesAlone) {
  train_skipping();
  for (const double seconds : {0.0, 300.0}) {
    const std::string name = "restore " + std::to_string(seconds);
    const Networks networks;
    std::vector pack{task(networks, 0, NonFinite::restore, name),
                     task(networks, 1, NonFinite::skip, name)};
    for (auto& t : pack) t.options.checkpoint_seconds = seconds;
    auto left = train(pack, broken()).left;
    ASSERT_EQ(left.size(), 1u);
    EXPECT_EQ(left[0].name, "distill.0");
    EXPECT_EQ(left[0].skip_steps, std::vector<std::int64_t>{3});
    EXPECT_THAT(differences(run(name), run("skip"), "distill.1"), IsEmpty());
    left = train(left, broken()).left;  // the second epoch meets the image again
    ASSERT_EQ(left.size(), 1u);
    EXPECT_EQ(left[0].skip_steps, (std::vector<std::int64_t>{3, 9}));
    EXPECT_THAT(train(left, broken()).left, IsEmpty());
    EXPECT_THAT(differences(run(name), run("skip"), "distill.0"), IsEmpty());
  }
}

}  // namespace
}  // namespace m2mkd
