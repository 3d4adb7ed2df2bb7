// One trajectory, whatever the number of ranks and whatever else is in the pack.

#include <m2mkd/train/schedule.hpp>

#include "support/mpi_training.hpp"

namespace m2mkd {
namespace {

using namespace test;
using testing::IsEmpty;
using testing::SizeIs;

class Training : public MpiTraining {
 protected:
  const int all_ = world().size();
  const double fifty_steps_ = 50.0 / 6.0;

  /// Trains on 1, 2, ... ranks, and compares with one.
  void expect_same_on_all_rank_counts(
      const std::function<std::vector<Task>(const std::filesystem::path&)>& make,
      double tolerance) {
    for (int ranks = 1; ranks <= all_; ++ranks) train_on(ranks, make(run(std::to_string(ranks))));
    for (const auto& task : make(run("1")))
      for (int ranks = 2; ranks <= all_; ++ranks)
        EXPECT_THAT(differences(run(std::to_string(ranks)), run("1"), task.name, tolerance),
                    IsEmpty())
            << ranks << " ranks";
  }
};

TEST_F(Training, FiftyStepsDoNotDependOnTheNumberOfRanks) {
  expect_same_on_all_rank_counts(
      [&](const auto& run) { return distill_tasks(small_options(fifty_steps_), run); }, 1e-9);
  EXPECT_THAT(metrics(run("1"), "distill.1", "steps", "loss"), SizeIs(50));
}

// Losses only: where a gradient is nothing but rounding noise (keys' biases), AdamW makes whole
// steps of it.
TEST_F(Training, FiftySinglePrecisionLossesDoNotDependOnTheNumberOfRanks) {
  const auto losses = [&](int ranks) {
    const auto folder = run(std::to_string(ranks));
    train_on(ranks, {distill_task(Networks(Precision::fp32), 1,
                                  small_options(fifty_steps_, Precision::fp32), folder)});
    return at::tensor(metrics(folder, "distill.1", "steps", "loss"), at::kDouble);
  };
  const auto serial = losses(1);
  for (int ranks = 2; ranks <= all_; ++ranks)
    EXPECT_LE(relative_difference(losses(ranks), serial), 1e-3) << ranks << " ranks";
}

TEST_F(Training, AWholeNetworkDoesNotDependOnTheNumberOfRanks) {
  expect_same_on_all_rank_counts(
      [&](const auto& run) {
        return std::vector{
            small_task("pretrain", Networks().meta, {0, 1, 2}, small_options(3), run)};
      },
      1e-9);
}

// Micro-batches of 4, 4 and 2 images: uneven shares, and a fourth rank without any.
TEST_F(Training, UnevenSharesChangeNothing) {
  expect_same_on_all_rank_counts(
      [&](const auto& run) {
        auto options = small_options(2);
        options.batch = 10;
        return std::vector{distill_task(Networks(), 0, options, run)};
      },
      1e-9);
}

TEST_F(Training, OneMicroBatchForAllRanksChangesNothing) {
  expect_same_on_all_rank_counts(
      [&](const auto& run) {
        auto options = small_options(1);
        options.batch = 4;
        return std::vector{distill_task(Networks(), 2, options, run)};
      },
      1e-9);
}

TEST_F(Training, MicroBatchesPerForwardChangeNothing) {
  for (const int together : {0, 1}) {
    auto options = small_options(2);
    options.forward_micro_batches = together;
    train_on(all_, {distill_task(Networks(), 1, options, run(std::to_string(together)))});
  }
  EXPECT_THAT(differences(run("1"), run("0"), "distill.1", 1e-9), IsEmpty());
}

TEST_F(Training, RepeatsBitForBit) {
  for (const auto* name : {"first", "again"})
    train_on(all_, distill_tasks(small_options(3), run(name)));
  for (int i = 0; i < 3; ++i)
    EXPECT_THAT(differences(run("again"), run("first"), "distill." + std::to_string(i)), IsEmpty());
}

TEST_F(Training, APackGivesWhatItsJobsGiveAlone) {
  train_on(all_, distill_tasks(small_options(3), run("pack")));
  for (int i = 0; i < 3; ++i) {
    train_on(all_, {distill_task(Networks(), i, small_options(3), run("alone"))});
    EXPECT_THAT(differences(run("pack"), run("alone"), "distill." + std::to_string(i)), IsEmpty());
  }
}

// Expert 2 is never chosen. It still takes part in every reduction, with a zero gradient: AdamW
// then only decays it.
TEST_F(Training, AnExpertWithoutTokensOnlyDecays) {
  const Networks networks;
  const auto find = [&](const std::string& end) {
    for (const auto& p : networks.student.stages[1]->parameters())
      if (p.name.ends_with(end)) return p.tensor.detach();
    throw std::logic_error("no parameter " + end);
  };
  find("gate.gate.bias")[2] = -1e6;
  const auto experts = find("experts.htoh4.weight");
  const auto before = experts.clone();
  const auto options = small_options(3);
  train_on(all_, {distill_task(networks, 1, options, run("unused"))});

  double decay = 1;
  for (int step = 0; step < 18; ++step)
    decay *= 1 - options.weight_decay * learning_rate(options.schedule, step, 6);
  EXPECT_LE(relative_difference(experts[2], decay * before[2]), 1e-14);
  EXPECT_GE(relative_difference(experts[1], decay * before[1]), 1e-3);
}

}  // namespace
}  // namespace m2mkd
