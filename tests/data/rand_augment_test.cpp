// RandAugment: its text and its draws.

#include <gmock/gmock.h>

#include <m2mkd/data/transforms.hpp>

#include "random_image.hpp"
#include "statistics.hpp"

namespace m2mkd {
namespace {

using test::expect_even;
using test::expect_share;
using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr std::int64_t kDraws = 40000;

TEST(RandAugment, TextIsReadAsTimmReadsIt) {
  const auto published = parse_rand_augment("rand-m9-mstd0.5-inc1");
  EXPECT_TRUE(published.on());
  EXPECT_EQ(published.layers, 2);
  EXPECT_EQ(published.magnitude, 9);
  EXPECT_EQ(published.deviation, 0.5);
  EXPECT_TRUE(published.increasing);
  const auto other = parse_rand_augment("rand-n3-m6.5");
  EXPECT_EQ(other.layers, 3);
  EXPECT_EQ(other.magnitude, 6.5);
  EXPECT_EQ(other.deviation, 0);
  EXPECT_FALSE(other.increasing);
  EXPECT_EQ(parse_rand_augment("rand").magnitude, 10);
  EXPECT_FALSE(parse_rand_augment("none").on());
}

TEST(RandAugment, WrongPartsAreNamed) {
  const auto expect = [](const char* text, const char* complaint) {
    EXPECT_THAT([=] { parse_rand_augment(text); },
                ThrowsMessage<std::invalid_argument>(HasSubstr(complaint)))
        << text;
  };
  expect("", "does not begin with rand");
  expect("augmix-m3", "\"augmix-m3\" does not begin with rand");
  expect("rand-m11", "\"m11\": m takes a number from 0 to 10");
  expect("rand-m9x", "\"m9x\": m takes a number");
  expect("rand-m", "\"m\": m takes a number");
  expect("rand-n1.5", "\"n1.5\": n takes a whole number");
  expect("rand-n0", "\"n0\": n takes a number from 1");
  expect("rand-inc2", "inc takes a number from 0 to 1");
  expect("rand-mstdnan", "\"mstdnan\"");
  expect("rand-w0", "\"w0\" is not a part");
  expect("rand-m9-", "\"\" is not a part");
}

TEST(RandAugment, DrawsHaveTheStatedDistributions) {
  const auto options = parse_rand_augment("rand-m9-mstd0.5-inc1");
  std::vector<std::int64_t> ops(augment_ops), pairs(augment_ops * augment_ops);
  std::int64_t applied = 0, negative = 0, both = 0, most = 0, below_mean = 0, below_deviation = 0;
  Random random(11, Purpose::test);
  std::size_t previous = 0;
  for (std::int64_t i = 0; i < kDraws; ++i) {
    const AugmentStep step = draw_augment(options, random);
    const auto op = static_cast<std::size_t>(step.op);
    ++ops.at(op);
    if (i % 2 == 1) ++pairs.at(previous * augment_ops + op);  // two layers of one image
    previous = op;
    applied += step.applied;
    negative += step.negative;
    both += step.applied && step.negative;
    EXPECT_TRUE(step.magnitude >= 0 && step.magnitude <= 10);
    most += step.magnitude == 10;
    below_mean += step.magnitude < 9;
    below_deviation += step.magnitude < 8.5;
  }
  expect_even(ops);
  expect_even(pairs);  // with replacement, independent
  expect_share(applied, kDraws, 0.5);
  expect_share(negative, kDraws, 0.5);
  expect_share(both, kDraws, 0.25);
  expect_share(most, kDraws, 0.0227501);  // P(N > 2)
  expect_share(below_mean, kDraws, 0.5);
  expect_share(below_deviation, kDraws, 0.1586553);  // P(N < -1)
}

TEST(RandAugment, ALayerTakesTheDocumentedDraws) {
  const auto options = parse_rand_augment("rand-m4-mstd2");
  for (std::uint64_t key = 0; key < 50; ++key) {
    Random random(5, Purpose::test, key), other = random;
    const AugmentStep step = draw_augment(options, random);
    EXPECT_EQ(static_cast<std::uint64_t>(step.op), other.below(15));
    EXPECT_EQ(step.applied, other.uniform() < 0.5);
    EXPECT_EQ(step.magnitude, std::clamp(4 + 2 * other.normal(), 0.0, 10.0));
    EXPECT_EQ(step.negative, other.uniform() < 0.5);
    EXPECT_EQ(random.bits(), other.bits());
  }
}

TEST(RandAugment, EveryOperationWorksOnGreyColourAndTinyImages) {
  Scratch scratch;
  for (const std::int64_t channels : {1, 3})
    for (const std::int64_t side : {1, 2, 28})
      for (int op = 0; op < augment_ops; ++op)
        for (const double magnitude : {0.0, 9.0, 10.0})
          for (const bool increasing : {false, true}) {
            const Image in = test::random_image(side, side + 1, channels);
            Image image = in;
            augment({static_cast<AugmentOp>(op), true, magnitude, true}, increasing, image,
                    scratch);
            EXPECT_EQ(image.height, side);
            EXPECT_EQ(image.width, side + 1);
            EXPECT_EQ(image.channels, channels);
            EXPECT_EQ(image.pixels.size(), in.pixels.size());
          }
}

TEST(RandAugment, MagnitudeZeroLeavesMostOperationsWithoutEffect) {
  Scratch scratch;
  const Image in = test::random_image(12, 17, 3);
  for (const auto op :
       {AugmentOp::rotate, AugmentOp::solarize, AugmentOp::solarize_add, AugmentOp::color,
        AugmentOp::contrast, AugmentOp::brightness, AugmentOp::sharpness, AugmentOp::shear_x,
        AugmentOp::shear_y, AugmentOp::translate_x, AugmentOp::translate_y})
    for (const bool negative : {false, true}) {
      Image image = in;
      augment({op, true, 0, negative}, true, image, scratch);
      EXPECT_TRUE(image == in) << static_cast<int>(op);
      augment({op, true, 9, negative}, true, image, scratch);
      EXPECT_FALSE(image == in) << static_cast<int>(op);
    }
}

}  // namespace
}  // namespace m2mkd
