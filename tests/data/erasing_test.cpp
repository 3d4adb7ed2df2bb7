// Random erasing: how often, where, and with what.

#include <gmock/gmock.h>

#include <m2mkd/data/transforms.hpp>

#include "statistics.hpp"

namespace m2mkd {
namespace {

using test::expect_share;
using test::Uniformity;

// Of a square of side 1, a box of area s and log-aspect l is taken if s < exp(-|l|); s is drawn up
// to 1/3, so |l| is uniform up to log 3 and thins out from there to log(1 / 0.3).
TEST(Erasing, BoxesHaveTheStatedGeometry) {
  constexpr std::int64_t side = 4000, draws = 40000;
  const auto bound = [](double l) { return std::min(1.0 / 3, std::exp(-l)) - 0.02; };
  Uniformity areas, flat, tops, lefts;
  std::int64_t on = 0, thin = 0, high = 0;
  Random random(31, Purpose::test);
  for (std::int64_t i = 0; i < draws; ++i) {
    const Erasing drawn = draw_erasing(side, side, 0.25, random);
    if (!drawn.on) continue;
    ++on;
    const Box& box = drawn.box;
    EXPECT_TRUE(box.height < side && box.width < side && box.top + box.height <= side &&
                box.left + box.width <= side);
    const auto h = static_cast<double>(box.height) / side,
               w = static_cast<double>(box.width) / side;
    const double l = std::abs(std::log(h / w));
    areas.add((h * w - 0.02) / bound(l));
    if (l < std::log(3.0)) flat.add(l / std::log(3.0));
    thin += l > std::log(3.0);
    high += h > w;
    tops.add((static_cast<double>(box.top) + 0.5) / static_cast<double>(side - box.height + 1));
    lefts.add((static_cast<double>(box.left) + 0.5) / static_cast<double>(side - box.width + 1));
  }
  expect_share(on, draws, 0.25);  // ten tries fail about never
  const double tail = 1.0 / 3 - 0.3 - 0.02 * std::log(1 / 0.9), even = std::log(3.0) * bound(0);
  expect_share(thin, on, tail / (tail + even));
  expect_share(high, on, 0.5);
  areas.expect();
  flat.expect();
  tops.expect();
  lefts.expect();
}

TEST(Erasing, FillsItsBoxInEveryChannelWithIndependentNormals) {
  const Erasing drawn{true, {3, 2, 20, 11}};
  constexpr std::int64_t C = 3, H = 30, W = 17;
  std::vector<double> image(C * H * W, 100.0);
  Random random(32, Purpose::test), other = random;
  erase(drawn, C, H, W, image.data(), random);
  std::int64_t inside = 0, negative = 0, far = 0;
  for (std::int64_t i = 0; i < C * H * W; ++i) {
    const std::int64_t y = i / W % H, x = i % W;
    const double v = image[static_cast<std::size_t>(i)];
    if (y < 3 || y >= 23 || x < 2 || x >= 13) {
      EXPECT_EQ(v, 100.0);
      continue;
    }
    EXPECT_EQ(v, other.normal());  // in (C, H, W) order
    ++inside;
    negative += v < 0;
    far += std::abs(v) > 1;
  }
  EXPECT_EQ(inside, 3 * 20 * 11);
  expect_share(negative, inside, 0.5);
  expect_share(far, inside, 0.3173105);

  std::vector<float> floats(C * H * W, 100.0f);
  random = Random(32, Purpose::test);
  erase(drawn, C, H, W, floats.data(), random);
  for (std::size_t i = 0; i < floats.size(); ++i)
    EXPECT_EQ(floats[i], static_cast<float>(image[i]));
}

TEST(Erasing, OffTakesOneDrawAndChangesNothing) {
  for (std::uint64_t key = 0; key < 20; ++key) {
    Random random(33, Purpose::test, key), other = random;
    const Erasing drawn = draw_erasing(32, 32, 0, random);
    EXPECT_FALSE(drawn.on);
    float pixel = 5;
    erase(drawn, 1, 1, 1, &pixel, random);
    EXPECT_EQ(pixel, 5);
    other.uniform();
    EXPECT_EQ(random.bits(), other.bits());
  }
  Random random(34, Purpose::test);
  EXPECT_FALSE(draw_erasing(1, 1, 1, random).on);  // nothing is smaller than one pixel
}

}  // namespace
}  // namespace m2mkd
