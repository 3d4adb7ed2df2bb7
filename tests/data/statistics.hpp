#pragma once
// Tests of hypotheses on counts. Seeds are fixed, so a failure repeats; the bounds are wide enough
// that a right program fails about once in 15 000 seeds.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

namespace m2mkd::test {

/// `hits` of `n` trials agree with the probability p: |z| < 4.
inline void expect_share(std::int64_t hits, std::int64_t n, double p) {
  const double mean = static_cast<double>(n) * p, deviation = std::sqrt(mean * (1 - p));
  EXPECT_LT(std::abs(static_cast<double>(hits) - mean), 4 * deviation)
      << hits << " of " << n << ", expected " << mean << " with deviation " << deviation;
}

/// Counts of equally likely cells: chi-square within four deviations of its mean, on both sides.
inline void expect_even(const std::vector<std::int64_t>& counts) {
  double n = 0, square = 0;
  for (const auto count : counts) n += static_cast<double>(count);
  const double mean = n / static_cast<double>(counts.size());
  ASSERT_GT(mean, 10) << "too few draws for a chi-square test";
  for (const auto count : counts) square += std::pow(static_cast<double>(count) - mean, 2) / mean;
  const double freedom = static_cast<double>(counts.size()) - 1;
  // Wilson and Hilferty: the cube root of chi-square / freedom is nearly normal.
  const double spread = 2 / (9 * freedom);
  const double z = (std::cbrt(square / freedom) - (1 - spread)) / std::sqrt(spread);
  EXPECT_LT(std::abs(z), 4) << "chi-square " << square << " at " << freedom << " degrees";
}

/// A histogram of values that should be uniform on [0, 1).
class Uniformity {
 public:
  void add(double u) {
    EXPECT_TRUE(u > -0.01 && u < 1.01) << u;  // sides are whole pixels
    const auto cell = static_cast<std::int64_t>(u * static_cast<double>(counts_.size()));
    ++counts_[static_cast<std::size_t>(std::clamp<std::int64_t>(cell, 0, std::ssize(counts_) - 1))];
  }
  void expect() const { expect_even(counts_); }

 private:
  std::vector<std::int64_t> counts_ = std::vector<std::int64_t>(12);
};

}  // namespace m2mkd::test
