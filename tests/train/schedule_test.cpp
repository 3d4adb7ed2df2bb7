#include <gtest/gtest.h>

#include <m2mkd/train/schedule.hpp>

namespace m2mkd {
namespace {

constexpr std::int64_t kSteps = 625;  // per epoch

ScheduleOptions published(double epochs, double lr, double warmup) {
  ScheduleOptions o;
  o.epochs = epochs;
  o.lr = lr;
  o.warmup_epochs = warmup;
  o.lr_unit = LrUnit::epoch;
  o.cosine = Cosine::published;
  o.lr_late = true;
  return o;
}

// The published values have six digits. One rate holds for all steps of an epoch.
void expect_rates(const ScheduleOptions& options,
                  const std::vector<std::pair<int, double>>& expected) {
  for (const auto& [epoch, rate] : expected)
    for (const std::int64_t step : {epoch * kSteps, (epoch + 1) * kSteps - 1})
      EXPECT_NEAR(learning_rate(options, step, kSteps), rate, 5e-6 * rate) << "epoch " << epoch;
}

TEST(PublishedSchedule, OfPretraining) {
  expect_rates(published(300, 2e-3, 20), {{0, 1e-6},
                                          {1, 1e-6},
                                          {2, 1.0095e-4},
                                          {20, 1.90005e-3},
                                          {21, 1.97826e-3},
                                          {299, 1.02182e-5}});
}

TEST(PublishedSchedule, OfDistillation) {
  expect_rates(published(100, 2e-3, 20),
               {{20, 1.90005e-3}, {21, 1.80997e-3}, {50, 1.03625e-3}, {99, 1.19634e-5}});
}

TEST(PublishedSchedule, OfFineTuning) {
  expect_rates(published(100, 1e-3, 0),
               {{0, 1e-3}, {1, 1e-3}, {2, 9.99756e-4}, {50, 5.20548e-4}, {99, 1.09768e-5}});
}

TEST(PublishedSchedule, OfTheTenEpochAblation) {
  auto options = published(10, 2e-3, 5);
  options.warmup_lr = 1e-4;
  options.min_lr = 2e-3;
  expect_rates(options, {{0, 1e-4},
                         {1, 1e-4},
                         {2, 4.8e-4},
                         {3, 8.6e-4},
                         {4, 1.24e-3},
                         {5, 1.62e-3},
                         {6, 2e-3},
                         {7, 2e-3},
                         {8, 2e-3},
                         {9, 2e-3}});
}

TEST(Schedule, WarmsUpLinearlyByStepsThenFallsFromThePeakToTheEnd) {
  ScheduleOptions o;
  o.epochs = 10;
  o.warmup_epochs = 1;
  o.warmup_share = 0.1;  // together 2 epochs
  const auto rate = [&](std::int64_t step) { return learning_rate(o, step, kSteps); };
  EXPECT_DOUBLE_EQ(rate(0), o.warmup_lr);
  EXPECT_NEAR(rate(kSteps), (o.warmup_lr + o.lr) / 2, 1e-15);
  for (std::int64_t step = 0; step < 2 * kSteps; ++step)
    EXPECT_NEAR(rate(step + 1) - rate(step), (o.lr - o.warmup_lr) / (2 * kSteps), 1e-12);
  EXPECT_DOUBLE_EQ(rate(2 * kSteps), o.lr);
  EXPECT_NEAR(rate(6 * kSteps), (o.lr + o.min_lr) / 2, 1e-15) << "half-way down";
  for (std::int64_t step = 2 * kSteps; step < 10 * kSteps; ++step)
    EXPECT_GT(rate(step), rate(step + 1));
  EXPECT_DOUBLE_EQ(rate(10 * kSteps), o.min_lr);
  EXPECT_NEAR(rate(10 * kSteps - 1), o.min_lr, 1e-9);
}

TEST(Schedule, WithoutWarmUpStartsAtThePeak) {
  EXPECT_DOUBLE_EQ(learning_rate(ScheduleOptions{}, 0, kSteps), ScheduleOptions{}.lr);
}

TEST(Schedule, HasWholeStepsAndOneAtLeast) {
  ScheduleOptions o;
  o.epochs = 2.5;
  EXPECT_EQ(total_steps(o, 7), 18);  // 17.5
  o.epochs = 0;
  EXPECT_EQ(total_steps(o, 7), 1);
}

}  // namespace
}  // namespace m2mkd
