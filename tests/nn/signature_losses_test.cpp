// Losses on signatures: the published Python's numbers (reference/nac §8), and the matchings
// against trying everything.

#include <algorithm>
#include <cmath>
#include <numeric>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <m2mkd/nn/graph_prior.hpp>

#include "../../src/nn/nac/transport.hpp"
#include "nn/fill_rule.hpp"

namespace m2mkd {
namespace {

using test::filled;

/// The Tiny network's signatures and its first propagators' kernels under the fill rule of
/// reference/nac §8.
struct Reference {
  at::Tensor input = group("input", 64), mediator = group("mediator", 256),
             output = group("output", 64);
  std::vector<at::Tensor> bandwidths;

  Reference() {
    for (int i = 0; i < 8; ++i)
      bandwidths.push_back(
          filled(fmt::format("latent_graphs.0.propagators.{}.latent_attention.kernel.bandwidth", i),
                 {}, 0.1, 1)
              .requires_grad_(true));
  }
  static at::Tensor group(const std::string& name, std::int64_t count) {
    return filled(fmt::format("latent_graphs.0.{}_latents.signatures_", name), {count, 64},
                  std::sqrt(3.0))
        .requires_grad_(true);
  }
  at::Tensor links(int layer) const {
    const auto& width = bandwidths[static_cast<std::size_t>(layer)];
    const auto t = cosine_distances(mediator, mediator) / width;
    return at::exp(-t).masked_fill(t > 0.9 / width.detach(), 0);
  }
};

double l2(const at::Tensor& x) {
  return x.norm().item<double>();
}

TEST(Hinge, HasTheReferenceNumbers) {
  const Reference reference;
  const auto all = at::cat({reference.input, reference.mediator, reference.output});
  EXPECT_EQ(hinge_repulsion(all, 0.4).item<double>(), 0.0);
  const auto loss = hinge_repulsion(all, 0.9);
  EXPECT_NEAR(loss.item<double>(), -12850.344122168086, 1e-8);
  loss.backward();
  EXPECT_NEAR(l2(reference.mediator.grad()), 18.03007606, 1e-8);
}

TEST(BlockModel, HasTheReferenceNumbers) {
  const Reference reference;
  const double first[3]{0.11782431170126402, 0.11688540493660472, 0.11751222312749683};
  auto sum = at::zeros({}, at::kDouble);
  for (int i = 0; i < 8; ++i) {
    const auto loss = block_model_loss(reference.links(i), 8, 0.9, 0.2, Matching::rows);
    if (i < 3) {
      EXPECT_NEAR(loss.item<double>(), first[i], 1e-14);
    }
    sum = sum + loss;
  }
  EXPECT_NEAR(sum.item<double>(), 0.9378872619648808, 1e-13);
  sum.backward();
  EXPECT_NEAR(l2(reference.mediator.grad()), 0.0007625915697, 1e-13);
  EXPECT_NEAR(l2(reference.bandwidths[0].grad()), 0.01779664914, 1e-11);
}

/// All assignments of n rows to k groups of n / k.
template <class F>
void for_each_assignment(std::int64_t n, std::int64_t k, F visit) {
  std::vector<std::int64_t> groups;
  for (std::int64_t i = 0; i < n; ++i) groups.push_back(i * k / n);
  do visit(groups);
  while (std::ranges::next_permutation(groups).found);
}

TEST(Transport, IsAsCheapAsTheBestAssignment) {
  for (const auto& [n, k] :
       {std::pair{1, 1}, {4, 1}, {4, 4}, {6, 2}, {6, 3}, {6, 6}, {8, 2}, {9, 3}})
    for (int trial = 0; trial < 20; ++trial) {
      auto cost = filled(fmt::format("cost{}", trial), {n, k});
      if (trial % 2) cost = cost.mul(3).round();  // many ties
      const auto* c = cost.const_data_ptr<double>();
      const auto total = [&](const std::vector<std::int64_t>& groups) {
        double sum = 0;
        for (std::size_t i = 0; i < groups.size(); ++i)
          sum += c[static_cast<std::int64_t>(i) * k + groups[i]];
        return sum;
      };
      double best = INFINITY;
      for_each_assignment(n, k, [&](const auto& groups) { best = std::min(best, total(groups)); });
      const auto found = transport({c, static_cast<std::size_t>(n * k)}, k);
      EXPECT_NEAR(total(found), best, 1e-12) << n << " rows, " << k << " groups";
      for (std::int64_t g = 0; g < k; ++g) EXPECT_EQ(std::ranges::count(found, g), n / k);
    }
  EXPECT_THROW(transport(std::vector<double>(10), 2), std::logic_error);
}

// Groups of one row are the assignment problem itself: a hidden permutation is found.
TEST(Transport, FindsAHiddenPermutationOfManyRows) {
  const std::int64_t n = 200;
  auto cost = filled("cost", {n, n});
  std::vector<std::int64_t> hidden(n);
  std::iota(hidden.begin(), hidden.end(), 0);
  std::ranges::rotate(hidden, hidden.begin() + 77);
  for (std::int64_t i = 0; i < n; ++i) cost[i][hidden[static_cast<std::size_t>(i)]] = -n;
  EXPECT_EQ(transport({cost.const_data_ptr<double>(), static_cast<std::size_t>(n * n)}, n), hidden);
}

at::Tensor target(const std::vector<std::int64_t>& rows, const std::vector<std::int64_t>& columns) {
  const auto r = at::tensor(rows), c = at::tensor(columns);
  return at::where(r.unsqueeze(1).eq(c.unsqueeze(0)), at::scalar_tensor(0.9, at::kDouble),
                   at::scalar_tensor(0.2, at::kDouble));
}

at::Tensor random_links(int trial, std::int64_t n) {
  return (filled(fmt::format("links{}", trial), {n, n}) + 1) / 2;
}

TEST(BlockModel, OfRowsIsTheLeastOverAllRowAssignments) {
  for (int trial = 0; trial < 10; ++trial) {
    const auto links = random_links(trial, 6);
    double best = INFINITY;
    for_each_assignment(6, 3, [&](const auto& rows) {
      const auto error = links - target(rows, {0, 0, 1, 1, 2, 2});
      best = std::min(best, error.square().mean().template item<double>());
    });
    EXPECT_NEAR(block_model_loss(links, 3, 0.9, 0.2, Matching::rows).item<double>(), best, 1e-14);
  }
}

TEST(BlockModel, OfAGraphLiesBetweenTheBestAssignmentAndTheGivenOne) {
  int found = 0;
  for (int trial = 0; trial < 40; ++trial) {
    auto links = random_links(trial, 8);
    if (trial % 2) links = (links + links.t()) / 2;
    double best = INFINITY;
    for_each_assignment(8, 2, [&](const auto& groups) {
      const auto error = links - target(groups, groups);
      best = std::min(best, error.square().mean().template item<double>());
    });
    const std::vector<std::int64_t> blocks{0, 0, 0, 0, 1, 1, 1, 1};
    const double identity = (links - target(blocks, blocks)).square().mean().item<double>();
    const double loss = block_model_loss(links, 2, 0.9, 0.2, Matching::graph).item<double>();
    EXPECT_GE(loss, best - 1e-14);
    EXPECT_LE(loss, identity + 1e-14);
    found += loss < best + 1e-12;
  }
  EXPECT_GE(found, 30);  // a local search from one start: usually, not always
}

// A block model whose nodes are in another order: only the form that moves rows and columns alike
// sees that nothing is wrong with it.
TEST(BlockModel, OfAGraphSeesThroughTheOrderOfNodes) {
  const std::int64_t n = 96;
  std::vector<std::int64_t> groups(n);
  for (std::int64_t i = 0; i < n; ++i) groups[static_cast<std::size_t>(i)] = i * 37 % n % 4;
  const auto links = target(groups, groups);
  EXPECT_LT(block_model_loss(links, 4, 0.9, 0.2, Matching::graph).item<double>(), 1e-30);
  EXPECT_GT(block_model_loss(links, 4, 0.9, 0.2, Matching::rows).item<double>(), 0.05);
}

TEST(BlockModel, OfItsOwnTargetIsZeroInBothForms) {
  const auto links = target({0, 0, 0, 1, 1, 1}, {0, 0, 0, 1, 1, 1});
  for (const auto matching : {Matching::graph, Matching::rows})
    EXPECT_EQ(block_model_loss(links, 2, 0.9, 0.2, matching).item<double>(), 0);
  // ... also where links within clusters are the rare ones
  EXPECT_EQ(block_model_loss(1.1 - links, 2, 0.2, 0.9, Matching::graph).lt(1e-30).item<bool>(),
            true);
}

TEST(BlockModel, GivesTheSameInSinglePrecision) {
  for (const auto matching : {Matching::graph, Matching::rows}) {
    const auto links = random_links(0, 64);
    const auto single = links.to(at::kFloat).requires_grad_(true);
    const auto loss = block_model_loss(single, 8, 0.9, 0.2, matching);
    EXPECT_EQ(loss.scalar_type(), at::kFloat);
    EXPECT_NEAR(loss.item<double>(), block_model_loss(links, 8, 0.9, 0.2, matching).item<double>(),
                1e-6);
    loss.backward();
    EXPECT_TRUE(single.grad().defined());
  }
  EXPECT_THROW(block_model_loss(at::zeros({6, 6}), 4, 0.9, 0.2, Matching::rows), std::logic_error);
}

TEST(BlockModel, OfLinksThatAreNotFiniteIsNotFinite) {
  auto links = random_links(0, 8);
  links[2][3] = NAN;
  for (const auto matching : {Matching::graph, Matching::rows})
    EXPECT_TRUE(block_model_loss(links, 2, 0.9, 0.2, matching).isnan().item<bool>());
}

TEST(SignatureLosses, StayFiniteForEqualAndZeroSignatures) {
  for (const auto type : {at::kFloat, at::kDouble}) {
    auto x = filled("signatures", {8, 4}).to(type);
    x[3] = x[2];
    x[5] = 0;
    x[6] = 0;
    x.requires_grad_(true);
    const auto d = cosine_distances(x, x);
    EXPECT_NEAR(d[2][3].item<double>(), 0, 1e-6);
    EXPECT_EQ(d[5][6].item<double>(), 1);
    const auto loss = hinge_repulsion(x, 1.5) +
                      block_model_loss(at::exp(-d), 2, 0.9, 0.2, Matching::graph) +
                      block_model_loss(at::exp(-d), 2, 0.9, 0.2, Matching::rows);
    loss.backward();
    EXPECT_TRUE(loss.isfinite().item<bool>());
    EXPECT_TRUE(x.grad().isfinite().all().item<bool>());
  }
}

}  // namespace
}  // namespace m2mkd
