// The training and the evaluation transform: distributions, documented draws, repeatability.

#include <gmock/gmock.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/data/transforms.hpp>

#include "random_image.hpp"
#include "statistics.hpp"

namespace m2mkd {
namespace {

using test::constant_image;
using test::expect_even;
using test::expect_share;
using test::random_image;
using test::Uniformity;

TransformOptions published() {
  TransformOptions options;
  options.size = 32;
  options.random_resized_crop = true;
  options.flip = 0.5;
  options.rand_augment = parse_rand_augment("rand-m9-mstd0.5-inc1");
  return options;
}

// Every pixel tells its place: channel 0 its row, channel 1 its column, plus 100.
Image map_of_places(std::int64_t side) {
  Image image;
  image.reshape(side, side, 3);
  for (std::int64_t y = 0; y < side; ++y)
    for (std::int64_t x = 0; x < side; ++x) {
      image.row(y)[x * 3] = static_cast<std::uint8_t>(100 + y);
      image.row(y)[x * 3 + 1] = static_cast<std::uint8_t>(100 + x);
      image.row(y)[x * 3 + 2] = 1;
    }
  return image;
}

// In a square of side 1 a part of area s and log-aspect l fits if s <= exp(-|l|). So |l| has a
// density proportional to exp(-|l|) - 0.08, and s is uniform below its bound.
TEST(ResizedCrop, AreaAspectAndPlaceOfAcceptedPartsAreAsDrawn) {
  constexpr std::int64_t side = 4000, draws = 20000;
  constexpr double least = 0.08;
  const double widest = std::log(4.0 / 3);
  const auto cumulative = [&](double l) { return 1 - std::exp(-l) - least * l; };
  Uniformity areas, aspects, tops, lefts;
  std::int64_t wide = 0;
  Random random(21, Purpose::test);
  for (std::int64_t i = 0; i < draws; ++i) {
    const Box box = draw_resized_crop(side, side, least, random);
    const auto h = static_cast<double>(box.height) / side,
               w = static_cast<double>(box.width) / side;
    const double l = std::abs(std::log(w / h));
    areas.add((h * w - least) / (std::exp(-l) - least));
    aspects.add(cumulative(l) / cumulative(widest));
    wide += box.width > box.height;
    tops.add((static_cast<double>(box.top) + 0.5) / static_cast<double>(side - box.height + 1));
    lefts.add((static_cast<double>(box.left) + 0.5) / static_cast<double>(side - box.width + 1));
    EXPECT_LE(box.top + box.height, side);
    EXPECT_LE(box.left + box.width, side);
  }
  areas.expect();
  aspects.expect();
  tops.expect();
  lefts.expect();
  expect_share(wide, draws, 0.5);
}

// In an image ten times as wide as high a try fits if s <= r / 10; ten failures lead to the
// central part.
TEST(ResizedCrop, AfterTenTriesTheCentralPartIsTaken) {
  constexpr std::int64_t draws = 5000;
  const double bound = 0.1 * 1.0005 * 1.0005;  // heights round: up to 1000.5 fits
  const double low = std::log(0.08 / bound), high = std::log(4.0 / 3), log_range = 2 * high;
  const double fits =
      (bound * (std::exp(high) - std::exp(low)) - 0.08 * (high - low)) / (log_range * (1 - 0.08));
  std::int64_t central = 0;
  for (std::int64_t i = 0; i < draws; ++i) {
    Random random(22, Purpose::test, static_cast<std::uint64_t>(i)), other = random;
    const Box box = draw_resized_crop(1000, 10000, 0.08, random);
    if (box.height != 1000 || box.width != 1333) continue;
    ++central;
    EXPECT_EQ(box.left, (10000 - 1333) / 2);
    EXPECT_EQ(box.top, 0);
    for (int k = 0; k < 20; ++k) other.uniform();  // all the draws of ten tries and no more
    EXPECT_EQ(random.bits(), other.bits());
  }
  expect_share(central, draws, std::pow(1 - fits, 10));
}

TEST(ResizedCrop, TinyImagesGiveNonEmptyParts) {
  Random random(23, Purpose::test);
  for (std::int64_t h = 1; h < 5; ++h)
    for (std::int64_t w = 1; w < 40; ++w) {
      const Box box = draw_resized_crop(h, w, 0.08, random);
      EXPECT_TRUE(box.height >= 1 && box.width >= 1 && box.top + box.height <= h &&
                  box.left + box.width <= w);
    }
}

TEST(TrainTransform, TakesTheDocumentedDrawsInTheirOrder) {
  const TransformOptions options = published();
  Scratch scratch, other_scratch;
  Image out, expected;
  for (std::uint64_t key = 0; key < 60; ++key) {
    const Image in = random_image(47, 61, key % 2 == 0 ? 3 : 1, key);
    Random random(3, Purpose::augment, key, 7), other = random;
    train_transform(in, options, random, out, scratch);

    const bool flip = other.uniform() < 0.5;
    resize_bicubic(in, draw_resized_crop(47, 61, 0.08, other), 32, 32, expected);
    if (flip) flip_horizontal(expected);
    for (int layer = 0; layer < 2; ++layer) {
      const AugmentStep step = draw_augment(options.rand_augment, other);
      if (step.applied) augment(step, true, expected, other_scratch);
    }
    EXPECT_TRUE(out == expected) << key;
    EXPECT_EQ(random.bits(), other.bits()) << key;
  }
}

TEST(TrainTransform, JitterReplacesRandAugmentOnlyWhereThatIsOff) {
  TransformOptions options = published();
  options.color_jitter = 0.4;
  Scratch scratch;
  Image with, without;
  const Image in = random_image(40, 40, 3);
  const auto transform = [&](Image& out) {
    Random random(4, Purpose::augment);
    train_transform(in, options, random, out, scratch);
    return random.bits();
  };
  const auto after = transform(with);
  options.color_jitter = 0;
  EXPECT_EQ(transform(without), after);
  EXPECT_TRUE(with == without);

  options.rand_augment = {};
  transform(without);
  options.color_jitter = 0.4;
  transform(with);
  Random other(4, Purpose::augment);
  other.uniform();
  draw_resized_crop(40, 40, 0.08, other);
  jitter(draw_jitter(0.4, other), without);
  EXPECT_TRUE(with == without);
}

TEST(TrainTransform, PaddedCropsAndFlipsAreUniform) {
  TransformOptions options;
  options.size = 32;
  options.crop_pad = 4;
  options.flip = 0.3;
  const Image in = map_of_places(32);
  constexpr std::int64_t draws = 8000;
  std::vector<std::int64_t> places(81);
  std::int64_t flips = 0;
  Scratch scratch;
  Image out;
  for (std::int64_t i = 0; i < draws; ++i) {
    Random random(24, Purpose::augment, static_cast<std::uint64_t>(i));
    train_transform(in, options, random, out, scratch);
    const std::uint8_t* middle = out.row(16) + 16 * 3;
    const bool flip = middle[3 + 1] < middle[1];
    const std::int64_t dy = middle[0] - 116, dx = middle[1] - 100 - (flip ? 15 : 16);
    ASSERT_TRUE(std::abs(dy) <= 4 && std::abs(dx) <= 4);
    ++places.at(static_cast<std::size_t>((dy + 4) * 9 + dx + 4));
    flips += flip;
    EXPECT_EQ(out.row(31)[50] == 0, dy > 0);  // below the image
  }
  expect_even(places);
  expect_share(flips, draws, 0.3);
  EXPECT_THROW(
      {
        Random random(0, Purpose::test);
        train_transform(constant_image(23, 60, 3, 1), options, random, out, scratch);
      },
      Error);
}

TEST(TrainTransform, TheSameKeyGivesTheSameBytesWhateverCameBefore) {
  const TransformOptions options = published();
  const Image in = random_image(50, 70, 3), grey = random_image(28, 28, 1);
  Scratch fresh, used;
  Image first, again, disturbance;
  std::int64_t different = 0;
  for (std::uint64_t key = 0; key < 40; ++key) {
    Random a(6, Purpose::augment, key), b = a, c(7, Purpose::augment, key);
    fresh = {};
    train_transform(in, options, a, first, fresh);
    train_transform(grey, options, c, disturbance, used);
    train_transform(in, options, b, again, used);
    EXPECT_TRUE(first == again);
    Random next(6, Purpose::augment, key, 1);
    train_transform(in, options, next, again, used);
    different += !(first == again);
  }
  EXPECT_EQ(different, 40);
}

TEST(Jitter, OrdersAndFactorsAreUniform) {
  constexpr std::int64_t draws = 12000;
  std::vector<std::int64_t> orders(6);
  std::array<Uniformity, 3> factors;
  Random random(25, Purpose::test);
  for (std::int64_t i = 0; i < draws; ++i) {
    const Jitter drawn = draw_jitter(0.4, random);
    const auto& o = drawn.order;
    EXPECT_EQ(1 << o[0] | 1 << o[1] | 1 << o[2], 7);
    ++orders.at(static_cast<std::size_t>(o[0] * 2 + (o[1] > o[2])));
    for (std::size_t k = 0; k < 3; ++k) factors[k].add((drawn.factor[k] - 0.6) / 0.8);
  }
  expect_even(orders);
  for (const auto& factor : factors) factor.expect();
}

TEST(EvalTransform, ShowsTheCentreAtTheStatedScale) {
  Scratch scratch;
  Image out, whole, expected;
  TransformOptions options;
  options.size = 28;
  const Image in = random_image(75, 50, 3);
  eval_transform(in, options, out, scratch);
  resize_bicubic(in, {0, 0, 75, 50}, 48, 32, whole);  // 28 / 0.875 = 32
  crop(whole, {10, 2, 28, 28}, expected);
  EXPECT_TRUE(out == expected);

  options.eval_crop = 1;  // images of the right size pass unchanged
  const Image right = random_image(28, 28, 1);
  eval_transform(right, options, out, scratch);
  EXPECT_TRUE(out == right);
  options.size = 27;  // (28 - 27) / 2 rounds to 0, (30 - 27) / 2 to 2: half to even
  options.eval_crop = 27.0 / 28;
  eval_transform(right, options, out, scratch);
  crop(right, {0, 0, 27, 27}, expected);
  EXPECT_TRUE(out == expected);
  options.eval_crop = 27.0 / 30;
  const Image larger = random_image(30, 30, 1);
  eval_transform(larger, options, out, scratch);
  crop(larger, {2, 2, 27, 27}, expected);
  EXPECT_TRUE(out == expected);
}

}  // namespace
}  // namespace m2mkd
