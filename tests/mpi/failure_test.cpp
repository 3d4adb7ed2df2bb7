// One rank goes wrong while the others wait for it. Run one at a time by tests/cli/rank_failure.sh,
// which looks at the exit status, the messages and the time; disabled in ordinary runs because they
// end the job.

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <m2mkd/base/error.hpp>

#include "support/mpi_world.hpp"

namespace m2mkd {
namespace {

using test::world;

bool last() {
  return world().rank() == world().size() - 1;
}

TEST(Failure, DISABLED_ThrowsWhileOthersReduce) {
  const at::Tensor tensor = at::ones({100'000});
  const Pending under_way = world().split(0).start_sum(tensor);
  if (last()) fail("the disk is on fire");
  world().sum(tensor);
}

TEST(Failure, DISABLED_AbortsWhileOthersReduce) {
  if (last()) Session::abort(42);
  world().sum(at::ones({100'000}));
}

TEST(Failure, DISABLED_AbortsWhileOthersHoldABarrier) {
  if (last()) Session::abort(42);
  world().barrier();
}

TEST(Failure, DISABLED_AssertionOfOneRank) {
  EXPECT_FALSE(last()) << "only here";
}

TEST(Failure, DISABLED_UnheardStopHoldsNobodyUp) {
  if (last()) world().tell_stop();
}

}  // namespace
}  // namespace m2mkd
