// Mixup, cutmix and soft targets as a training loop receives them.

#include "packed.hpp"

namespace m2mkd {
namespace {

using test::header;
using test::Packed;
using test::whole_step;

constexpr std::int64_t kMicro = 5;  // odd: the middle sample is its own partner

Batch batch_of(const Packed& packed, std::int64_t step, at::ScalarType dtype = at::kDouble) {
  LoaderOptions options;
  options.batch = 20;
  options.micro_batch = kMicro;
  options.dtype = dtype;
  TrainLoader loader(packed.open(), packed.options, options);
  loader.start(step);
  return whole_step(loader);
}

// The same samples without mixing and smoothing.
Batch plain_of(Packed& packed, std::int64_t step) {
  const auto options = packed.options;
  packed.options.mixup = packed.options.cutmix = packed.options.smoothing = 0;
  const Batch batch = batch_of(packed, step);
  packed.options = options;
  return batch;
}

at::Tensor soft(const at::Tensor& labels, double smoothing, std::int64_t classes) {
  auto targets =
      at::full({labels.size(0), classes}, smoothing / static_cast<double>(classes), at::kDouble);
  return targets.scatter_(1, labels.unsqueeze(1),
                          1 - smoothing + smoothing / static_cast<double>(classes));
}

struct Case {
  at::Tensor mixed, targets, images, partner, labels, partner_labels;
};

Case micro_batch(const Batch& mixed, const Batch& plain, std::int64_t m) {
  const auto cut = [&](const at::Tensor& t) { return t.narrow(0, m * kMicro, kMicro); };
  return {cut(mixed.images),         cut(mixed.targets), cut(plain.images),
          cut(plain.images).flip(0), cut(plain.labels),  cut(plain.labels).flip(0)};
}

TEST(Mixup, BlendsImagesAndTargetsOfAMicroBatchWithItsMirrorByOneWeight) {
  Packed packed(header(100, 2));
  packed.options.mixup = 0.8;
  packed.options.smoothing = 0.1;
  std::vector<double> weights;
  for (std::int64_t step = 0; step < 4; ++step) {
    const Batch mixed = batch_of(packed, step), plain = plain_of(packed, step);
    EXPECT_TRUE(at::equal(mixed.labels, plain.labels));
    for (std::int64_t m = 0; m < 4; ++m) {
      const Case c = micro_batch(mixed, plain, m);
      // Least squares over the micro-batch finds λ.
      const auto d = c.images - c.partner;
      const double lambda =
          ((c.mixed - c.partner) * d).sum().item<double>() / (d * d).sum().item<double>();
      weights.push_back(lambda);
      EXPECT_TRUE(at::allclose(c.mixed, lambda * c.images + (1 - lambda) * c.partner, 0, 1e-12));
      EXPECT_TRUE(at::equal(c.mixed[kMicro / 2], c.images[kMicro / 2]));
      const auto expected =
          lambda * soft(c.labels, 0.1, 4) + (1 - lambda) * soft(c.partner_labels, 0.1, 4);
      EXPECT_TRUE(at::allclose(c.targets, expected, 0, 1e-12));
    }
  }
  std::sort(weights.begin(), weights.end());
  EXPECT_GT(weights[1], weights[0]);  // a draw of its own for every micro-batch and step
  EXPECT_GT(weights.back() - weights.front(), 0.5);
}

TEST(Cutmix, PastesOneBoxAndWeighsTargetsByItsTrueArea) {
  Packed packed(header(100, 2, 8));
  packed.options.cutmix = 1;
  int pasted = 0;
  for (std::int64_t step = 0; step < 8; ++step) {
    const Batch mixed = batch_of(packed, step), plain = plain_of(packed, step);
    for (std::int64_t m = 0; m < 4; ++m) {
      const Case c = micro_batch(mixed, plain, m);
      // Pixels differ between images almost surely in one of the two channels, so the changed ones
      // are the box.
      const auto box = c.mixed.ne(c.images).any(1).any(0);  // (H, W)
      const std::int64_t rows = box.any(1).sum().item<std::int64_t>();
      const std::int64_t columns = box.any(0).sum().item<std::int64_t>();
      EXPECT_EQ(box.sum().item<std::int64_t>(), rows * columns) << "one rectangle";
      EXPECT_TRUE(at::equal(c.mixed, at::where(box, c.partner, c.images)));
      const double lambda = 1 - static_cast<double>(rows * columns) / 64;
      const auto expected =
          lambda * soft(c.labels, 0, 4) + (1 - lambda) * soft(c.partner_labels, 0, 4);
      EXPECT_TRUE(at::allclose(c.targets, expected, 0, 1e-12));
      pasted += rows * columns > 0;
    }
  }
  EXPECT_GT(pasted, 16);
}

TEST(Mixing, UsesBothKindsEquallyOftenWhenBothAreOn) {
  Packed packed(header(100, 1, 8));
  packed.options.mixup = 0.8;
  packed.options.cutmix = 1;
  int blended = 0;
  for (std::int64_t step = 0; step < 50; ++step) {
    const Batch mixed = batch_of(packed, step), plain = plain_of(packed, step);
    for (std::int64_t m = 0; m < 4; ++m) {
      const Case c = micro_batch(mixed, plain, m);
      const auto either = c.mixed.eq(c.images).logical_or(c.mixed.eq(c.partner));
      blended += !either.all().item<bool>();  // cutmix leaves every pixel one of the two
    }
  }
  EXPECT_GT(blended, 70);  // 100 of 200 expected, standard deviation 7
  EXPECT_LT(blended, 130);
}

TEST(Mixing, FloatAgreesWithDouble) {
  Packed packed(header(100));
  packed.options.mixup = 0.8;
  packed.options.smoothing = 0.1;
  const Batch in_double = batch_of(packed, 2), in_float = batch_of(packed, 2, at::kFloat);
  EXPECT_EQ(in_float.targets.scalar_type(), at::kFloat);
  EXPECT_TRUE(at::allclose(in_float.images.to(at::kDouble), in_double.images, 1e-6, 1e-6));
  EXPECT_TRUE(at::equal(in_float.targets, in_double.targets.to(at::kFloat)));
}

LoaderOptions twenty(std::int64_t micro_batch) {
  LoaderOptions options;
  options.batch = 20;
  options.micro_batch = micro_batch;
  options.dtype = at::kDouble;
  return options;
}

DataOptions with_all_transforms(DataOptions data) {
  data.mixup = 0.8;
  data.cutmix = 1;
  data.smoothing = 0.1;
  data.flip = 0.5;
  data.random_resized_crop = true;
  data.rand_augment = "rand-m9-mstd0.5-inc1";
  data.erasing = 0.5;
  return data;
}

TEST(RankBatchMixing, EqualsMicroBatchMixingWhereTheSharesAreTheMicroBatches) {
  Packed packed(header(100, 3, 8));
  packed.options = with_all_transforms(packed.options);
  packed.options.published_ranks = 4;
  for (const std::int64_t step : {0, 3, 11}) {
    packed.options.mix_per = MixPer::micro_batch;
    const Batch expected = test::across_ranks(packed, twenty(5), 1, step);
    packed.options.mix_per = MixPer::rank_batch;
    for (const std::int64_t micro_batch : {5, 1, 3, 20})
      for (const int ranks : {1, 2, 3}) {
        auto options = twenty(micro_batch);
        options.forward_micro_batches = ranks - 1;
        EXPECT_TRUE(test::same(test::across_ranks(packed, options, ranks, step), expected))
            << "micro-batch " << micro_batch << ", " << ranks << " ranks, step " << step;
      }
  }
}

TEST(RankBatchMixing, ReachesOverMicroBatchesForwardsAndRanks) {
  Packed packed(header(100, 1, 8));
  packed.options = with_all_transforms(packed.options);
  packed.options.mix_per = MixPer::rank_batch;
  for (const std::int64_t shares : {1, 2, 5}) {
    packed.options.published_ranks = shares;
    const Batch whole = test::across_ranks(packed, twenty(20), 1, 2);
    for (const std::int64_t micro_batch : {1, 3, 4, 7})
      for (const int ranks : {1, 2, 3}) {
        auto options = twenty(micro_batch);
        options.forward_micro_batches = ranks == 3 ? 0 : ranks;
        EXPECT_TRUE(test::same(test::across_ranks(packed, options, ranks, 2), whole))
            << shares << " shares, micro-batch " << micro_batch << ", " << ranks << " ranks";
      }
  }
}

TEST(RankBatchMixing, DrawsOnceForAShareAndMirrorsInIt) {
  Packed packed(header(100, 2));
  packed.options.mixup = 0.8;
  packed.options.mix_per = MixPer::rank_batch;
  packed.options.published_ranks = 2;
  const Batch mixed = batch_of(packed, 1), plain = plain_of(packed, 1);
  for (const std::int64_t from : {0, 10}) {
    const auto images = plain.images.narrow(0, from, 10);
    const auto partner = images.flip(0), d = images - partner;
    const auto found = mixed.images.narrow(0, from, 10);
    const double lambda =
        ((found - partner) * d).sum().item<double>() / (d * d).sum().item<double>();
    EXPECT_TRUE(at::allclose(found, lambda * images + (1 - lambda) * partner, 0, 1e-12));
    const auto labels = plain.labels.narrow(0, from, 10);
    const auto expected = lambda * soft(labels, 0, 4) + (1 - lambda) * soft(labels.flip(0), 0, 4);
    EXPECT_TRUE(at::allclose(mixed.targets.narrow(0, from, 10), expected, 0, 1e-12));
  }
}

TEST(Smoothing, AloneGivesSoftTargetsAndLeavesImagesAlone) {
  Packed packed(header(100));
  packed.options.smoothing = 0.2;
  const Batch smooth = batch_of(packed, 1), plain = plain_of(packed, 1);
  EXPECT_TRUE(at::equal(smooth.images, plain.images));
  EXPECT_FALSE(plain.targets.defined());
  EXPECT_TRUE(at::allclose(smooth.targets, soft(plain.labels, 0.2, 4), 0, 1e-15));
  EXPECT_TRUE(at::allclose(smooth.targets.sum(1), at::ones({20}, at::kDouble), 0, 1e-15));
}

}  // namespace
}  // namespace m2mkd
