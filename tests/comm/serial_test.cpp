// The serial communicator: rank 0 of 1, where nothing changes.

#include <array>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <m2mkd/comm/communicator.hpp>

namespace m2mkd {
namespace {

TEST(SerialCommunicator, IsRankZeroOfOne) {
  const Communicator alone;
  EXPECT_EQ(alone.rank(), 0);
  EXPECT_EQ(alone.size(), 1);
  EXPECT_EQ(alone.split(3).size(), 1);
  EXPECT_EQ(alone.split(-1).size(), 1);
}

TEST(SerialCommunicator, CollectivesKeepTheirArguments) {
  const Communicator alone;
  const at::Tensor tensor = at::arange(5, at::kFloat);
  alone.sum(tensor);
  alone.broadcast(tensor);
  EXPECT_TRUE(at::equal(tensor, at::arange(5, at::kFloat)));
  std::array<double, 2> values{1.5, -2};
  alone.sum(values);
  alone.max(values);
  EXPECT_EQ(values, (std::array<double, 2>{1.5, -2}));
  EXPECT_EQ(alone.broadcast("text"), "text");
  EXPECT_EQ(alone.all_gather("text"), std::vector<std::string>{"text"});
}

TEST(SerialCommunicator, StartedOperationsAreFinishedAtOnce) {
  const Communicator alone;
  EXPECT_TRUE(alone.start_sum(at::ones({3})).test());
  EXPECT_TRUE(alone.start_barrier().test());
  alone.barrier();
}

TEST(SerialCommunicator, HearsNoOtherRank) {
  const Communicator alone;
  alone.tell_stop();
  EXPECT_FALSE(alone.stop_heard());
}

TEST(SerialCommunicator, RefusesARootThatIsNoRank) {
  EXPECT_THROW(Communicator().broadcast("text", 1), std::logic_error);
}

}  // namespace
}  // namespace m2mkd
