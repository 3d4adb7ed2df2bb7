#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <m2mkd/base/random.hpp>

namespace m2mkd {
namespace {

using Words = std::array<std::uint32_t, 4>;

struct Moments {
  double mean = 0, variance = 0;
};

template <class Draw>
Moments moments(int n, Draw draw) {
  double sum = 0, squares = 0;
  for (int i = 0; i < n; ++i) {
    const double x = draw();
    sum += x;
    squares += x * x;
  }
  return {sum / n, squares / n - sum / n * (sum / n)};
}

// kat_vectors of the Random123 library.
TEST(Philox, GivesThePublishedWords) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Mixers, GiveThePublishedValues) {
  EXPECT_EQ(mix64(0x9E3779B97F4A7C15u),
            0xE220A8397B1DCDAFu);  // first output of splitmix64 with seed 0
  EXPECT_EQ(hash64("", 0), 0xCBF29CE484222325u);
  EXPECT_EQ(hash64("a", 1), 0xAF63DC4C8601EC8Cu);
}

// The mapping is part of every run's identity: another number here would silently change all
// published results.
TEST(Random, StreamIsTheDocumentedBlockSequence) {
  const std::uint64_t key = mix64(42 + 2 * 0x9E3779B97F4A7C15u);
  Random random(42, Purpose::augment, 0x1122334455667788u, 9);
  for (std::uint32_t block = 0; block < 3; ++block)
    for (const auto word :
         philox({block, 9, 0x55667788u, 0x11223344u},
                {static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)}))
      EXPECT_EQ(random.bits(), word);
}

TEST(Random, EveryPartOfTheKeyGivesAnotherStream) {
  std::set<std::uint64_t> seen;
  int streams = 0;
  for (std::uint64_t seed : {0u, 1u})
    for (auto purpose : {Purpose::order, Purpose::augment, Purpose::test})
      for (std::uint64_t a :
           {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 32, ~std::uint64_t{0}})
        for (std::uint32_t b : {0u, 1u, ~0u}) {
          Random random(seed, purpose, a, b);
          const std::uint64_t high = random.bits();
          seen.insert(high << 32 | random.bits());
          ++streams;
        }
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(streams));
}

TEST(Random, SeekReachesAnyWordOfTheStream) {
  Random whole(7, Purpose::test);
  std::vector<std::uint32_t> words;
  for (int i = 0; i < 40; ++i) words.push_back(whole.bits());
  Random jumping(7, Purpose::test);
  for (std::size_t i : {13u, 4u, 39u, 0u, 7u, 8u}) {
    jumping.seek(i);
    EXPECT_EQ(jumping.bits(), words[i]) << i;
  }
  jumping.seek((std::uint64_t{1} << 34) - 1);
  EXPECT_NO_THROW(jumping.bits());
  EXPECT_THROW(jumping.seek(std::uint64_t{1} << 34), std::logic_error);
}

TEST(Random, DrawsTakeAFixedNumberOfWords) {
  Random uniforms(7, Purpose::test), normals(7, Purpose::test), seeking(7, Purpose::test);
  for (int i = 0; i < 5; ++i) {
    seeking.seek(2u * static_cast<unsigned>(i));
    EXPECT_EQ(seeking.uniform(), uniforms.uniform());
    seeking.seek(4u * static_cast<unsigned>(i));
    EXPECT_EQ(seeking.normal(), normals.normal());
  }
}

// Tolerances: about five standard errors of the mean for 100000 draws; the seed is fixed, so a pass
// stays a pass.
TEST(Random, UniformFillsItsInterval) {
  Random random(1, Purpose::test);
  double low = 1, high = 0;
  const auto m = moments(100000, [&] {
    const double x = random.uniform();
    low = std::min(low, x);
    high = std::max(high, x);
    return x;
  });
  EXPECT_NEAR(m.mean, 0.5, 0.005);
  EXPECT_NEAR(m.variance, 1.0 / 12, 0.002);
  EXPECT_GE(low, 0.0);
  EXPECT_LT(low, 1e-3);
  EXPECT_LT(high, 1.0);
  EXPECT_GT(high, 0.999);
  EXPECT_NEAR(moments(100000, [&] { return random.uniform(-3, 5); }).mean, 1.0, 0.05);
}

TEST(Random, NormalHasTheTailsOfANormal) {
  Random random(2, Purpose::test);
  int beyond_two = 0;
  double fourth = 0;
  const auto m = moments(100000, [&] {
    const double x = random.normal();
    beyond_two += std::abs(x) > 2;
    fourth += x * x * x * x / 100000;
    return x;
  });
  EXPECT_NEAR(m.mean, 0.0, 0.016);
  EXPECT_NEAR(m.variance, 1.0, 0.025);
  EXPECT_NEAR(fourth, 3.0, 0.17);
  EXPECT_NEAR(beyond_two / 100000.0, 0.0455, 0.0035);
}

TEST(Random, BelowIsUnbiased) {
  Random random(3, Purpose::test);
  std::array<int, 7> counts{};
  for (int i = 0; i < 70000; ++i) ++counts.at(random.below(7));
  double chi2 = 0;
  for (int count : counts) chi2 += (count - 10000.0) * (count - 10000.0) / 10000.0;
  EXPECT_LT(chi2, 25.0);  // 6 degrees of freedom: p = 0.0003

  // 3·2^30 does not divide 2^32: without rejection the multiples of 3 would come up half the time.
  const std::uint64_t wide = std::uint64_t{3} << 30;
  int lower = 0;
  for (int i = 0; i < 30000; ++i) lower += random.below(wide) % 3 == 0;
  EXPECT_NEAR(lower / 30000.0, 1.0 / 3, 0.014);

  const std::uint64_t huge = std::uint64_t{3} << 62;
  lower = 0;
  for (int i = 0; i < 30000; ++i) lower += random.below(huge) < (std::uint64_t{1} << 62);
  EXPECT_NEAR(lower / 30000.0, 1.0 / 3, 0.014);
  EXPECT_EQ(random.below(1), 0u);
  EXPECT_THROW(random.below(0), std::logic_error);
}

TEST(Random, GammaAndBetaHaveTheirMoments) {
  Random random(4, Purpose::test);
  for (double shape : {0.3, 1.0, 4.5}) {
    const auto m = moments(100000, [&] { return random.gamma(shape); });
    EXPECT_NEAR(m.mean, shape, 0.016 * std::sqrt(shape)) << shape;
    EXPECT_NEAR(m.variance, shape, 0.06 * shape + 0.03) << shape;
  }
  const auto m = moments(100000, [&] { return random.beta(0.8, 0.4); });
  EXPECT_NEAR(m.mean, 2.0 / 3, 0.005);
  EXPECT_NEAR(m.variance, 0.8 * 0.4 / (1.2 * 1.2 * 2.2), 0.005);
}

TEST(Random, BetaOfTinyShapesIsZeroOrOne) {
  Random random(5, Purpose::test);
  const auto m = moments(2000, [&] { return random.beta(3e-5, 1e-5); });
  EXPECT_NEAR(m.mean, 0.75, 0.05);
  EXPECT_NEAR(m.variance, 0.75 * 0.25, 0.03);
}

TEST(Permutation, HoldsEveryIndexOnceInAnOrderOfItsOwn) {
  const auto order = permutation(1000, Random(1, Purpose::order, 0));
  EXPECT_EQ(order, permutation(1000, Random(1, Purpose::order, 0)));
  EXPECT_NE(order, permutation(1000, Random(1, Purpose::order, 1)));
  auto sorted = order;
  std::sort(sorted.begin(), sorted.end());
  for (std::int64_t i = 0; i < 1000; ++i) ASSERT_EQ(sorted[static_cast<std::size_t>(i)], i);
  EXPECT_TRUE(permutation(0, Random(1, Purpose::order)).empty());
}

TEST(Permutation, GivesAllOrdersEquallyOften) {
  std::array<int, 27> counts{};  // by the base-3 number of the order; 6 of them can occur
  for (std::uint64_t i = 0; i < 12000; ++i) {
    const auto order = permutation(3, Random(1, Purpose::test, i));
    ++counts.at(static_cast<std::size_t>(order[0] * 9 + order[1] * 3 + order[2]));
  }
  EXPECT_EQ(std::count(counts.begin(), counts.end(), 0), 27 - 6);
  for (int count : counts)
    if (count != 0) {
      EXPECT_NEAR(count, 2000, 220);
    }
}

}  // namespace
}  // namespace m2mkd
