#include <m2mkd/train/overfit.hpp>

#include "support/mpi_training.hpp"

namespace m2mkd {
namespace {

using namespace test;

class Overfitting : public MpiTraining {
 protected:
  /// One of the small pairs on 8 images in 2 micro-batches: of three ranks one has none.
  Overfit learn(const Communicator& group) const {
    TrainOptions options = small_options(1);
    options.batch = 8;
    options.schedule.lr = 1e-2;
    const Networks networks(options.precision);
    TrainContext context;
    context.world = context.group = group;
    OverfitOptions bounds;
    bounds.steps = 6;
    return overfit(distill_task(networks, 1, options, run("overfit")),
                   fixed_step(data(), options, 7, group), context, bounds);
  }
};

TEST_F(Overfitting, IsTheSameOnAnyNumberOfRanks) {
  const Overfit alone = learn({}), together = learn(world());
  EXPECT_LT(alone.last, alone.first);
  EXPECT_LE(alone.floor, alone.blind);
  EXPECT_GE(alone.steps, 4);
  EXPECT_EQ(together.steps, alone.steps);
  EXPECT_NEAR(together.first, alone.first, 1e-9);
  EXPECT_NEAR(together.last, alone.last, 1e-6);
  EXPECT_NEAR(together.floor, alone.floor, 1e-9);
  EXPECT_NEAR(together.blind, alone.blind, 1e-9);
  EXPECT_EQ(together.untrained, alone.untrained);
  EXPECT_FALSE(together.stopped);
}

TEST_F(Overfitting, StopsOnAllRanksWhenOneIsAsked) {
  if (world().rank() == world().size() - 1) stop::request();
  EXPECT_TRUE(learn(world()).stopped);
}

}  // namespace
}  // namespace m2mkd
