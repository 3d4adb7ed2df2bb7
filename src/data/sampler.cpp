#include <algorithm>
#include <numeric>
#include <random>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/random.hpp>
#include <m2mkd/data/sampler.hpp>

#include "mixing.hpp"

namespace m2mkd {

namespace {

constexpr std::int64_t kRepetitions = 3, kRound = 256;  // of the published sampler

/// Length of one virtual rank's list.
std::int64_t published_length(std::int64_t images, std::int64_t ranks) {
  return images / kRound * kRound / ranks;
}

}  // namespace

std::int64_t samples_per_step(std::int64_t images, std::int64_t batch) {
  return std::min(batch, std::max<std::int64_t>(images, 1));
}

std::string sampling_problem(const DataOptions& data, std::int64_t images, std::int64_t batch) {
  const bool published = data.order == Order::published;
  const bool shares = mixes(data) && data.mix_per == MixPer::rank_batch;
  const std::int64_t ranks = data.published_ranks;
  if (published && images < kRound)
    return fmt::format(
        "data.order = published shows no image of fewer than {} [it rounds down to a multiple of "
        "it], and there are {}: use data.order = shuffled",
        kRound, images);
  if (published && published_length(images, ranks) < batch / ranks)
    return fmt::format(
        "data.order = published shows {} x {} images per epoch, fewer than train.batch = {}: make "
        "the batch smaller or use data.order = shuffled",
        ranks, published_length(images, ranks), batch);
  if (const auto samples = samples_per_step(images, batch);
      (published || shares) && samples % ranks != 0)
    return fmt::format(
        "a batch of {} images does not divide into compat.ranks = {} equal shares, which "
        "{} asks for: change train.batch or compat.ranks",
        samples, ranks, published ? "data.order = published" : "data.mix_per = rank_batch");
  return {};
}

std::int64_t steps_per_epoch(const DataOptions& data, std::int64_t images, std::int64_t batch) {
  if (const auto problem = sampling_problem(data, images, batch); !problem.empty())
    throw ConfigError(problem);
  if (data.order == Order::published)
    return published_length(images, data.published_ranks) / (batch / data.published_ranks);
  return std::max<std::int64_t>(1, images / batch);
}

std::vector<std::int64_t> torch_permutation(std::int64_t n, std::uint32_t seed) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  std::mt19937 bits(seed);
  for (std::size_t i = 0; i + 1 < order.size(); ++i)
    std::swap(order[i], order[i + bits() % (order.size() - i)]);
  return order;
}

Sampler::Sampler(const DataOptions& data, std::int64_t images, std::int64_t batch,
                 std::uint64_t seed)
    : order_(data.order),
      images_(images),
      samples_(m2mkd::samples_per_step(images, batch)),
      steps_(m2mkd::steps_per_epoch(data, images, batch)),
      ranks_(data.published_ranks),
      seed_(seed) {}

void Sampler::enter(std::int64_t epoch) {
  if (epoch == epoch_) return;
  if (order_ == Order::shuffled)
    permutation_ =
        permutation(images_, Random(seed_, Purpose::order, static_cast<std::uint64_t>(epoch)));
  if (order_ == Order::published)
    permutation_ = torch_permutation(images_, static_cast<std::uint32_t>(epoch));
  epoch_ = epoch;
}

Showing Sampler::at(std::int64_t step, std::int64_t position) {
  enter(epoch(step));
  const std::int64_t in_epoch = step % steps_;
  if (order_ != Order::published) {
    const std::int64_t place = in_epoch * samples_ + position;
    if (order_ == Order::sequential) return {place, 0};
    return {permutation_[static_cast<std::size_t>(place)], 0};
  }
  const std::int64_t share = samples_ / ranks_, rank = position / share;
  const std::int64_t place = rank + ranks_ * (in_epoch * share + position % share);
  return {permutation_[static_cast<std::size_t>(place / kRepetitions)], place % kRepetitions};
}

}  // namespace m2mkd
