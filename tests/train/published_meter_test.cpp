#include "published_meter.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace m2mkd {
namespace {

// reference/nac §5.3: what the meter makes of an accuracy that is the same in every batch.
TEST(PublishedMeter, GivesThePublishedFactors) {
  struct Case {
    std::int64_t per_rank, batch;
    double factor;
  };
  for (const auto& [per_rank, batch, factor] :
       {Case{1250, 192, 0.99449}, {6250, 48, 0.97967}, {3750, 48, 0.97957}}) {
    PublishedMeter meter(8 * per_rank, 8, batch);
    meter.add(0, at::ones({8 * per_rank}, at::kBool));
    EXPECT_NEAR(meter.acc1(), 100 * factor, 6e-4);  // five digits
  }
}

// Table 4's decoded entries: 8 classes, so many shots, one batch per rank; printed to two digits.
TEST(PublishedMeter, DecodesTheFewShotNumbers) {
  PublishedMeter meter(24, 4, 6);  // 1 shot: 3 per class, four ranks
  auto hits = at::zeros({24}, at::kBool);
  hits.narrow(0, 0, 15).fill_(true);
  meter.add(0, hits);
  // 15 of 24: Σ(6·A + A/100) / Σ 7 over four batches.
  EXPECT_NEAR(meter.acc1(), (100.0 * 15 + 15.0 / 6) / 28, 1e-12);
}

TEST(PublishedMeter, RepeatsTheFirstImagesToFillTheRanks) {
  const auto one = [](std::int64_t which) {
    PublishedMeter meter(5, 2, 3);  // three each: image 0 twice
    meter.add(which, at::ones({1}, at::kBool));
    return meter.acc1();
  };
  EXPECT_NEAR(one(0), 2 * one(1), 1e-12);
  EXPECT_NEAR(one(3), one(4), 1e-12);
}

TEST(PublishedMeter, AddsUpWhateverTheOrder) {
  PublishedMeter whole(100, 8, 7), parts(100, 8, 7);
  const auto hits = at::arange(100).remainder(3).eq(0);
  whole.add(0, hits);
  parts.add(60, hits.narrow(0, 60, 40).contiguous());
  parts.add(0, hits.narrow(0, 0, 60).contiguous());
  EXPECT_EQ(whole.acc1(), parts.acc1());
}

}  // namespace
}  // namespace m2mkd
