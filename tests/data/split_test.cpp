#include <algorithm>
#include <numeric>

#include <gtest/gtest.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/data/dataset.hpp>

namespace m2mkd {
namespace {

using Indices = std::vector<std::int64_t>;

std::vector<std::int32_t> balanced(std::int64_t count, std::int32_t classes) {
  std::vector<std::int32_t> labels(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < labels.size(); ++i)
    labels[i] = static_cast<std::int32_t>(i * 7 % static_cast<std::size_t>(classes));
  return labels;
}

std::vector<std::int64_t> per_class(const Indices& indices, const std::vector<std::int32_t>& labels,
                                    std::size_t classes) {
  std::vector<std::int64_t> counts(classes);
  for (const auto i : indices)
    ++counts[static_cast<std::size_t>(labels[static_cast<std::size_t>(i)])];
  return counts;
}

TEST(Split, BalancedClassesAreCutInExactProportion) {
  const auto labels = balanced(60000, 10);
  const auto validation = split_indices(labels, 10000, 10000, Split::validation);
  const auto train = split_indices(labels, 10000, 10000, Split::train);
  EXPECT_EQ(per_class(validation, labels, 10), std::vector<std::int64_t>(10, 1000));
  EXPECT_EQ(per_class(train, labels, 10), std::vector<std::int64_t>(10, 1000));
}

TEST(Split, ValidationAndTrainingAreDisjointAndCoverTheFile) {
  const auto labels = balanced(1003, 7);
  auto all = split_indices(labels, 200, 0, Split::validation);
  const auto train = split_indices(labels, 200, 0, Split::train);
  EXPECT_EQ(std::ssize(all), 200);
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
  EXPECT_TRUE(std::is_sorted(train.begin(), train.end()));
  all.insert(all.end(), train.begin(), train.end());
  std::sort(all.begin(), all.end());
  Indices expected(1003);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(all, expected);
}

TEST(Split, ASubsetIsPartOfALargerSubsetAndIsDrawnFromTheWholeFile) {
  const auto labels = balanced(1000, 10);
  const auto small = split_indices(labels, 200, 100, Split::train);
  const auto large = split_indices(labels, 200, 400, Split::train);
  EXPECT_TRUE(std::includes(large.begin(), large.end(), small.begin(), small.end()));
  EXPECT_GT(small.back(), 900);  // a mere prefix of the file would end at about 100
}

TEST(Split, UnevenClassesGetSeatsByLargestRemainder) {
  std::vector<std::int32_t> labels;
  for (const auto& [label, count] : {std::pair{0, 50}, {1, 30}, {2, 17}, {3, 3}})
    labels.insert(labels.end(), static_cast<std::size_t>(count), label);
  // Quotas of 10 from 50, 30, 17, 3: 5, 3, 1.7, 0.3.
  EXPECT_EQ(per_class(split_indices(labels, 10, 0, Split::validation), labels, 4),
            (std::vector<std::int64_t>{5, 3, 2, 0}));
  EXPECT_EQ(std::ssize(split_indices(labels, 10, 37, Split::train)), 37);
  EXPECT_EQ(std::ssize(split_indices(labels, 10, 90, Split::train)), 90);
}

TEST(Split, WithoutNumbersTheWholeFileTrains) {
  const std::vector<std::int32_t> labels{1, 0, 1};
  EXPECT_EQ(split_indices(labels, 0, 0, Split::train), (Indices{0, 1, 2}));
  EXPECT_EQ(split_indices(labels, 0, 0, Split::validation), Indices{});
}

TEST(Split, RefusesMoreImagesThanThereAre) {
  const auto labels = balanced(100, 10);
  EXPECT_THROW(split_indices(labels, 101, 0, Split::train), Error);
  EXPECT_THROW(split_indices(labels, 60, 41, Split::train), Error);
  EXPECT_NO_THROW(split_indices(labels, 60, 40, Split::train));
}

// The rule is part of every result: it must never change.
TEST(Split, RuleIsFrozen) {
  const auto labels = balanced(40, 4);
  EXPECT_EQ(split_indices(labels, 8, 0, Split::validation), (Indices{2, 3, 8, 11, 21, 22, 24, 29}));
}

}  // namespace
}  // namespace m2mkd
