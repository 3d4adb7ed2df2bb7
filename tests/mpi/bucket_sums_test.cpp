// The order of reductions: bucket after bucket, whatever the order in which gradients come.

#include "../../src/comm/bucket_sums.hpp"

#include <stdexcept>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "support/mpi_world.hpp"

namespace m2mkd {
namespace {

using test::world;

std::vector<Bucket> three_buckets() {
  std::vector<Bucket> buckets;
  for (const std::int64_t parameters : {2, 1, 1}) buckets.push_back({at::ones({100}), parameters});
  return buckets;
}

TEST(BucketSums, StartInOrderWhateverTheOrderOfGradients) {
  // Ranks complete their buckets in different orders; started in another order they would not
  // match.
  BucketSums sums(three_buckets(), world().split(0));
  sums.arm();
  const bool odd = world().rank() % 2 == 1;
  sums.ready(odd ? 2 : 1);
  EXPECT_EQ(sums.started(), 0U);
  sums.ready(0);
  EXPECT_EQ(sums.started(), 0U);  // one of its two parameters is missing
  sums.ready(0);
  EXPECT_EQ(sums.started(), odd ? 1U : 2U);
  sums.ready(odd ? 1 : 2);
  EXPECT_EQ(sums.started(), 3U);
  sums.finish();
  EXPECT_EQ(sums.started(), 0U);
  for (const Bucket& bucket : sums.buckets()) {
    EXPECT_TRUE(at::equal(bucket.flat, at::full({100}, 1.0 * world().size())));
  }
}

TEST(BucketSums, CountNothingBeforeTheLastBackward) {
  BucketSums sums(three_buckets(), world().split(0));
  for (int i = 0; i < 5; ++i) sums.ready(0);
  EXPECT_EQ(sums.started(), 0U);
  sums.finish();
}

TEST(BucketSums, GradientAfterItsBucketIsRefused) {
  BucketSums sums(three_buckets(), world().split(0));
  sums.arm();
  sums.ready(1);
  EXPECT_THROW(sums.ready(1), std::logic_error);
  EXPECT_THROW(sums.arm(), std::logic_error);
  sums.finish();
}

TEST(BucketSums, LayoutGoesBackwardsOneTypeEach) {
  const std::vector<at::Tensor> parameters{at::ones({4}, at::kFloat), at::ones({4}, at::kDouble),
                                           at::ones({20}, at::kFloat), at::ones({3}, at::kDouble)};
  const BucketLayout layout = lay_out(parameters, 128);
  // {3 doubles, 4 doubles} fill 128 bytes; the 20 floats fill a bucket of their own, which leaves
  // the 4 floats alone.
  ASSERT_EQ(layout.buckets.size(), 3U);
  EXPECT_EQ(layout.slots[3].bucket, 0U);
  EXPECT_EQ(layout.slots[2].bucket, 1U);
  EXPECT_EQ(layout.slots[1].bucket, 0U);
  EXPECT_EQ(layout.slots[1].offset, 8);  // on the next cache line
  EXPECT_EQ(layout.slots[0].bucket, 2U);
  EXPECT_EQ(layout.buckets[0].parameters, 2);
  EXPECT_EQ(layout.buckets[0].flat.scalar_type(), at::kDouble);
  EXPECT_EQ(layout.buckets[1].flat.numel(), 32);
}

}  // namespace
}  // namespace m2mkd
