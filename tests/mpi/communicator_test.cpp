// The communicator at any number of ranks; expected values in closed form, so that the same
// assertions hold on 1, 2, 3, 4.

#include <algorithm>
#include <array>
#include <chrono>
#include <stdexcept>
#include <thread>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/stopwatch.hpp>

#include "support/mpi_world.hpp"

namespace m2mkd {
namespace {

using test::world;

/// 0 + 1 + ... + (size-1)
double sum_of_ranks(const Communicator& ranks) {
  return ranks.size() * (ranks.size() - 1) / 2.0;
}

/// Polls until it is heard or five seconds are over: messages take their time.
bool hears_stop(const Communicator& ranks) {
  const Stopwatch watch;
  while (!ranks.stop_heard() && watch.seconds() < 5) {
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  return ranks.stop_heard();
}

class SumOf : public testing::TestWithParam<at::ScalarType> {};

TEST_P(SumOf, TensorsAddInPlaceAndKeepTheirType) {
  const at::Tensor tensor = at::full({3, 7}, world().rank() + 1, GetParam());
  const void* place = tensor.data_ptr();
  world().sum(tensor);
  EXPECT_EQ(tensor.data_ptr(), place);
  EXPECT_EQ(tensor.scalar_type(), GetParam());
  const double expected = sum_of_ranks(world()) + world().size();
  EXPECT_TRUE(at::equal(tensor, at::full({3, 7}, expected, GetParam())));
}

INSTANTIATE_TEST_SUITE_P(Types, SumOf,
                         testing::Values(at::kFloat, at::kDouble, at::kLong, at::kInt, at::kShort,
                                         at::kChar, at::kByte, at::kBFloat16, at::kHalf));

TEST(Communicator, SumOfATypeThatCannotBeAddedThrows) {
  if (world().size() == 1) GTEST_SKIP() << "one rank adds nothing";
  EXPECT_THROW(world().sum(at::ones({2}, at::kBool)), Error);
  EXPECT_THROW(world().sum(at::ones({4, 4}).t().narrow(0, 0, 2)), std::logic_error);
}

TEST(Communicator, EveryRankGetsTheSameBits) {
  // Sums of many sizes, over all algorithms that MPI may choose: rounding must not differ between
  // ranks.
  for (const std::int64_t count : {1, 1000, 100'000, 1'000'000}) {
    at::Tensor tensor = at::arange(count, at::kFloat).mul_(0.1).add_(world().rank()).sin_();
    world().sum(tensor);
    const at::Tensor first = tensor.clone();
    world().broadcast(first);
    EXPECT_TRUE(at::equal(tensor, first)) << count;
  }
}

TEST(Communicator, EmptyTensorsPass) {
  world().sum(at::empty({0}));
  world().broadcast(at::empty({0, 3}));
}

TEST(Communicator, ValuesAddAndTakeTheLargest) {
  const double rank = world().rank();
  std::array<double, 3> values{rank, 1, -rank};
  world().sum(values);
  EXPECT_EQ(values, (std::array<double, 3>{sum_of_ranks(world()), double(world().size()),
                                           -sum_of_ranks(world())}));
  std::array<double, 2> largest{rank, -rank};
  world().max(largest);
  EXPECT_EQ(largest, (std::array<double, 2>{world().size() - 1.0, 0.0}));
}

TEST(Communicator, BroadcastCopiesFromItsRoot) {
  const int root = world().size() - 1;
  for (const at::ScalarType type : {at::kFloat, at::kBool, at::kBFloat16, at::kLong}) {
    const at::Tensor tensor = at::full({5, 2}, world().rank() == root ? 1 : 0, type);
    world().broadcast(tensor, root);
    EXPECT_TRUE(at::equal(tensor, at::ones({5, 2}, type)));
  }
  EXPECT_EQ(
      world().broadcast(world().rank() == root ? std::string("a\0b", 3) : "ignored, longer", root),
      std::string("a\0b", 3));
  EXPECT_EQ(world().broadcast(world().rank() == 0 ? "" : "ignored"), "");
}

TEST(Communicator, BroadcastReachesLeavesThatRequireGradients) {
  const at::Tensor leaf = at::full({2}, world().rank() + 5.0).requires_grad_();
  world().broadcast(leaf);
  EXPECT_TRUE(leaf.requires_grad() && leaf.is_leaf());
  EXPECT_TRUE(at::equal(leaf.detach(), at::full({2}, 5.0)));
}

TEST(Communicator, GatheredTextsStandInRankOrder) {
  const auto text = [](int rank) { return std::string(static_cast<std::size_t>(rank * 3), 'x'); };
  const auto texts = world().all_gather(text(world().rank()));
  ASSERT_EQ(static_cast<int>(texts.size()), world().size());
  for (int rank = 0; rank < world().size(); ++rank) EXPECT_EQ(texts[rank], text(rank));
}

TEST(Communicator, SplitOrdersByRankAndKeepsGroupsApart) {
  const Communicator part = world().split(world().rank() % 2);
  const int members = (world().size() + 1 - world().rank() % 2) / 2;
  EXPECT_EQ(part.size(), members);
  EXPECT_EQ(part.rank(), world().rank() / 2);
  std::array<double, 1> sum{1.0 * world().rank()};
  part.sum(sum);
  EXPECT_EQ(sum[0], members * (members - 1) + members * (world().rank() % 2));
  EXPECT_EQ(part.split(0).size(), members);
}

TEST(Communicator, NegativeColourIsSerial) {
  const Communicator part = world().split(world().rank() == 0 ? -1 : 0);
  EXPECT_EQ(part.size(), world().rank() == 0 ? 1 : std::max(1, world().size() - 1));
}

TEST(Communicator, SumsUnderWayFinishInAnyOrder) {
  const at::Tensor a = at::ones({100'000}), b = at::full({3}, 2.0);
  Pending first = world().start_sum(a);
  Pending second = world().start_sum(b);
  second.wait();
  EXPECT_TRUE(at::equal(b, at::full({3}, 2.0 * world().size())));
  while (!first.test()) std::this_thread::yield();
  EXPECT_TRUE(first.test());  // again: still finished
  first.wait();
  EXPECT_TRUE(at::equal(a, at::full({100'000}, 1.0 * world().size())));
}

TEST(Communicator, DestroyedSumIsFinished) {
  const at::Tensor tensor = at::ones({1000});
  { const Pending pending = world().start_sum(tensor); }
  EXPECT_TRUE(at::equal(tensor, at::full({1000}, 1.0 * world().size())));
}

TEST(Communicator, UnwindingDoesNotWaitForTheOthers) {
  // Only rank 0 starts this barrier: were its destructor to wait, the test would hang.
  const Communicator own = world().split(0);
  const auto throws = [&own] {
    const Pending never = own.start_barrier();
    throw std::runtime_error("on this rank only");
  };
  if (world().rank() == 0) {
    EXPECT_THROW(throws(), std::runtime_error);
  }
  if (world().rank() != 0) own.start_barrier().wait();  // after all: leave no half of it behind
}

TEST(Communicator, BarrierHoldsUntilAllHaveCome) {
  const Communicator order = world().split(0);
  Pending pending;
  const bool late = world().rank() == world().size() - 1;
  if (!late) pending = world().start_barrier();
  if (world().size() > 1 && !late) {
    for (int i = 0; i < 100; ++i) EXPECT_FALSE(pending.test());
  }
  // The late rank joins only after all others have looked.
  order.barrier();
  if (late) pending = world().start_barrier();
  pending.wait();
}

TEST(Communicator, SplitCommunicatorsMatchTheirOwnCalls) {
  const Communicator a = world().split(0), b = world().split(0);
  const at::Tensor x = at::ones({4}), y = at::full({4}, 10.0);
  const bool swapped = world().rank() % 2 == 1;  // odd ranks issue the two sums in the other order
  Pending first = swapped ? b.start_sum(y) : a.start_sum(x);
  Pending second = swapped ? a.start_sum(x) : b.start_sum(y);
  first.wait();
  second.wait();
  EXPECT_TRUE(at::equal(x, at::full({4}, 1.0 * world().size())));
  EXPECT_TRUE(at::equal(y, at::full({4}, 10.0 * world().size())));
}

TEST(StopMessages, ReachAllOthersAndOnlyTheirCommunicator) {
  const Communicator ours = world().split(0), another = world().split(0);
  const int teller = world().size() - 1;
  EXPECT_FALSE(ours.stop_heard());
  world().barrier();
  if (world().rank() == teller) {
    ours.tell_stop();
    ours.tell_stop();  // once is enough
    EXPECT_FALSE(ours.stop_heard());
  } else {
    EXPECT_TRUE(hears_stop(ours));
    EXPECT_TRUE(ours.stop_heard());
  }
  world().barrier();
  EXPECT_FALSE(another.stop_heard());
  EXPECT_FALSE(world().stop_heard());
}

TEST(StopMessages, LeftoversOfAnOldCommunicatorReachNoNewOne) {
  for (int i = 0; i < 20; ++i) {
    const Communicator fresh = world().split(0);
    EXPECT_FALSE(fresh.stop_heard()) << i;
    world().barrier();
    if (world().rank() == i % world().size()) fresh.tell_stop();  // nobody listens
    world().barrier();
  }
}

TEST(StopMessages, SeveralTellersAreHeard) {
  const Communicator ours = world().split(0);
  ours.tell_stop();
  if (world().size() > 1) {
    EXPECT_TRUE(hears_stop(ours));
  }
  world().barrier();
}

}  // namespace
}  // namespace m2mkd
