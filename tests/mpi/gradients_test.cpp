// Gradients over ranks: exact sums, whatever the shares, the buckets and the overlap.

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <m2mkd/base/random.hpp>
#include <m2mkd/base/stopwatch.hpp>
#include <m2mkd/comm/gradients.hpp>

#include "support/mpi_world.hpp"

namespace m2mkd {
namespace {

using test::world;

at::Tensor numbers(at::IntArrayRef sizes, std::uint64_t seed) {
  at::Tensor tensor = at::empty(sizes, at::kDouble);
  Random random(seed, Purpose::test);
  auto* data = tensor.data_ptr<double>();
  for (std::int64_t i = 0; i < tensor.numel(); ++i) data[i] = random.uniform(-1, 1);
  return tensor;
}

/// Three layers and, in the middle, a parameter that no loss reaches. All ranks draw the same
/// numbers.
struct Network {
  explicit Network(std::uint64_t seed) {
    for (int i = 0; i < 3; ++i) {
      parameters.push_back(numbers({16, 16}, seed + 10 * i).requires_grad_());
      parameters.push_back(numbers({16}, seed + 10 * i + 1).requires_grad_());
      if (i == 0) parameters.push_back(numbers({5}, seed + 99).requires_grad_());
    }
  }
  /// Sum over the rows of x (B, 16), so that losses of micro-batches add up.
  at::Tensor loss(at::Tensor x) const {
    for (const int i : {0, 3, 5}) x = at::tanh(at::linear(x, parameters[i], parameters[i + 1]));
    return (x * x).sum();
  }
  std::vector<at::Tensor> parameters;
};

constexpr int micro_batches = 5;
at::Tensor micro_batch(int i) {
  return numbers({4, 16}, 1000 + static_cast<std::uint64_t>(i));
}

/// The gradients of all micro-batches, computed without any of the machinery under test.
std::vector<at::Tensor> reference(std::uint64_t seed) {
  const Network network(seed);
  for (int i = 0; i < micro_batches; ++i) network.loss(micro_batch(i)).backward();
  std::vector<at::Tensor> gradients;
  for (const at::Tensor& p : network.parameters) {
    gradients.push_back(p.grad().defined() ? p.grad() : at::zeros_like(p.detach()));
  }
  return gradients;
}

void expect_close(const Network& network, const std::vector<at::Tensor>& expected) {
  for (std::size_t i = 0; i < expected.size(); ++i) {
    // double sums of O(10) terms of O(1): only their order differs
    EXPECT_TRUE(at::allclose(network.parameters[i].grad(), expected[i], 1e-12, 1e-12)) << i;
  }
}

/// This rank's share: `busy` ranks take micro-batches in turn, the others have none.
std::vector<int> share(int busy) {
  std::vector<int> mine;
  for (int i = world().rank(); world().rank() < busy && i < micro_batches; i += busy)
    mine.push_back(i);
  return mine;
}

void step(const Network& network, Gradients& gradients, const std::vector<int>& mine,
          bool overlap) {
  gradients.zero();
  for (const int i : mine) {
    const at::Tensor loss = network.loss(micro_batch(i));
    if (overlap && i == mine.back()) gradients.overlap_last_backward();
    loss.backward();
  }
  gradients.finish();
}

TEST(Gradients, AreTheSumsOverAllRanksMicroBatches) {
  const auto expected = reference(1);
  for (const std::int64_t bucket_bytes : {64, 3000, 32 << 20}) {
    for (const bool overlap : {false, true}) {
      const Network network(1);
      Gradients gradients(network.parameters, world(), bucket_bytes);
      for (int repeat = 0; repeat < 3; ++repeat) {
        step(network, gradients, share(world().size()), overlap);
        expect_close(network, expected);
      }
    }
  }
}

TEST(Gradients, RanksWithoutAMicroBatchOnlyFinish) {
  const Network network(2);
  Gradients gradients(network.parameters, world(), 3000);
  step(network, gradients, share(1), true);
  expect_close(network, reference(2));
}

TEST(Gradients, OverlapChangesNoBitAndRanksAgree) {
  std::vector<at::Tensor> plain;
  for (const bool overlap : {false, true}) {
    const Network network(3);
    Gradients gradients(network.parameters, world(), 3000);
    step(network, gradients, share(world().size()), overlap);
    for (std::size_t i = 0; i < network.parameters.size(); ++i) {
      const at::Tensor mine = network.parameters[i].grad();
      if (!overlap) {
        plain.push_back(mine.clone());
        continue;
      }
      EXPECT_TRUE(at::equal(mine, plain[i])) << i;
      const at::Tensor first = mine.clone();
      world().broadcast(first);
      EXPECT_TRUE(at::equal(mine, first)) << i;
    }
  }
}

TEST(Gradients, LastBackwardStartsTheSumsItself) {
  const auto expected = reference(8);
  const Network network(8);
  Gradients gradients(network.parameters, world(), 64);  // every parameter its own bucket
  gradients.zero();
  const std::vector<int> mine = share(world().size());
  for (const int i : mine) {
    const at::Tensor loss = network.loss(micro_batch(i));
    if (i == mine.back()) gradients.overlap_last_backward();
    loss.backward();
  }
  // The last layer's weight comes before the parameter without a gradient: its sum arrives without
  // finish(). Any call drives MPI.
  const at::Tensor& arriving = network.parameters[5].grad();
  const Stopwatch watch;
  while (!at::allclose(arriving, expected[5], 1e-12, 1e-12) && watch.seconds() < 5)
    world().stop_heard();
  EXPECT_TRUE(at::allclose(arriving, expected[5], 1e-12, 1e-12));
  gradients.finish();
  expect_close(network, expected);
}

TEST(Gradients, JobsOfAPackReduceApartAlsoWhereARankHasNoWork) {
  // Micro-batches outside, jobs inside, finish() job after job: as the Trainer does it. The last
  // rank has no work.
  constexpr std::uint64_t jobs = 3;
  std::vector<Network> networks;
  std::vector<Gradients> gradients;
  for (std::uint64_t job = 0; job < jobs; ++job) {
    networks.emplace_back(20 + job);
    gradients.emplace_back(networks.back().parameters, world(), 3000);
  }
  const std::vector<int> mine = share(std::max(1, world().size() - 1));
  for (int repeat = 0; repeat < 2; ++repeat) {
    for (Gradients& one : gradients) one.zero();
    for (const int i : mine) {
      for (std::uint64_t job = 0; job < jobs; ++job) {
        const at::Tensor loss = networks[job].loss(micro_batch(i));
        if (i == mine.back()) gradients[job].overlap_last_backward();
        loss.backward();
      }
    }
    // A reduction of another kind in between, as for the loss, must not get mixed up with those
    // under way.
    std::array<double, 1> losses{1};
    world().sum(losses);
    EXPECT_EQ(losses[0], world().size());
    for (std::uint64_t job = 0; job < jobs; ++job) {
      gradients[job].finish();
      expect_close(networks[job], reference(20 + job));
    }
  }
}

// NCCL wants one order of all calls over all communicators of a device: what a job's last backward
// has left goes out before the next job's begins, on every rank, whoever finishes first.
TEST(Gradients, OfOneJobGoOutBeforeThoseOfTheNext) {
  if (world().size() == 1) GTEST_SKIP() << "one rank reduces nothing";
  const Network first(30), second(31);
  Gradients one(first.parameters, world(), 64), two(second.parameters, world(), 64);
  one.zero();
  two.zero();
  const std::vector<int> mine = share(world().size());
  for (const int i : mine) {
    const at::Tensor loss = first.loss(micro_batch(i));
    if (i == mine.back()) one.overlap_last_backward();
    loss.backward();
  }
  // A parameter without a gradient holds back the sums of those before it...
  const auto expected = reference(30);
  const at::Tensor& held_back = first.parameters[0].grad();
  if (!mine.empty()) two.overlap_last_backward();  // ...until the next job begins
  const Stopwatch watch;
  while (!at::allclose(held_back, expected[0], 1e-12, 1e-12) && watch.seconds() < 5)
    world().stop_heard();
  EXPECT_TRUE(at::allclose(held_back, expected[0], 1e-12, 1e-12));
  one.finish();
  two.finish();
  expect_close(first, expected);
}

TEST(Gradients, ParametersKeepTheirPlacesOverSteps) {
  const Network network(4);
  Gradients gradients(network.parameters, world(), 3000);
  std::vector<const void*> places;
  for (const at::Tensor& p : network.parameters) places.push_back(p.grad().data_ptr());
  for (int i = 0; i < 3; ++i) step(network, gradients, share(world().size()), true);
  for (std::size_t i = 0; i < places.size(); ++i) {
    EXPECT_EQ(network.parameters[i].grad().data_ptr(), places[i]);
  }
}

TEST(Gradients, NormIsTheSameOnAllRanks) {
  const Network network(5);
  Gradients gradients(network.parameters, world(), 3000);
  step(network, gradients, share(world().size()), true);
  double squares = 0;
  for (const at::Tensor& g : reference(5)) squares += (g * g).sum().item<double>();
  const double norm = gradients.norm().item<double>();
  EXPECT_NEAR(norm, std::sqrt(squares), 1e-11 * norm);
  const at::Tensor first = gradients.norm();
  world().broadcast(first);
  EXPECT_EQ(norm, first.item<double>());
}

TEST(Gradients, SecondBackwardAfterTheLastIsRefused) {
  if (world().size() == 1) GTEST_SKIP() << "one rank reduces nothing";
  const Network network(6);
  Gradients gradients(network.parameters, world(), 64);
  gradients.zero();
  gradients.overlap_last_backward();
  network.loss(micro_batch(0)).backward();
  EXPECT_THROW(network.loss(micro_batch(1)).backward(), std::logic_error);
  EXPECT_THROW(gradients.overlap_last_backward(), std::logic_error);
  EXPECT_THROW(gradients.zero(), std::logic_error);
  gradients.finish();
}

TEST(Gradients, BackwardAfterTheirEndReducesNothing) {
  const Network network(7);
  { const Gradients gradients(network.parameters, world()); }
  network.loss(micro_batch(0)).backward();
  const Network alone(7);
  alone.loss(micro_batch(0)).backward();
  EXPECT_TRUE(at::equal(network.parameters[0].grad(), alone.parameters[0].grad()));
}

}  // namespace
}  // namespace m2mkd
