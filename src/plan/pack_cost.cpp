#include "pack_cost.hpp"

#include <algorithm>
#include <limits>

#include <ATen/ATen.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/data/sampler.hpp>
#include <m2mkd/plan/cost.hpp>

namespace m2mkd {
namespace {

constexpr double start_seconds = 0.25;  ///< per job: building, reading modules, opening files
constexpr double pack_start_seconds =
    0.1;  ///< per pack: its loader; also lets jobs that share nothing else share the batches
constexpr double update_flop =
    100;  ///< AdamW of one parameter is memory traffic; GEMM work in that time
constexpr double exposed_reduction = 0.5;  ///< the rest hides behind the backward

}  // namespace

double pack_flops(std::span<const Job* const> pack, std::int64_t step) {
  double own = 0, prefix = 0;
  for (const Job* job : pack) {
    if (job->cost.steps <= step) continue;
    own += job->cost.train.executed - job->cost.prefix.executed;
    prefix = std::max(prefix, job->cost.prefix.executed);
  }
  return own + prefix;
}

PackCost::PackCost(std::span<const Job* const> pack, const MachineOptions& machine) {
  require(!pack.empty(), "a pack has at least one job");
  const Job& first = *pack.front();
  micro_batch_ = first.train.micro_batch;
  samples_ = samples_per_step(first.facts.train_images, first.train.batch);
  micro_batches_ = first.micro_batches();
  forward_micro_batches_ = first.train.forward_micro_batches;

  const double rate = machine.gflops * 1e9, network = machine.reduce_gb_s * 1e9,
               disk = machine.disk_gb_s * 1e9;
  fixed_seconds_ = pack_start_seconds;
  std::vector<std::int64_t> ends;
  double eval_prefix = 0, meta = 0, frozen_meta = 0, frozen_others = 0;
  for (const Job* job : pack) {
    const JobCost& c = job->cost;
    const auto steps = static_cast<double>(c.steps), trainable = static_cast<double>(c.trainable);
    ends.push_back(c.steps);
    eval_seconds_ += (c.eval_flops - c.prefix.executed) * c.eval_images / rate;
    eval_prefix = std::max(eval_prefix, c.prefix.executed * c.eval_images / rate);
    reduce_seconds_ += steps * trainable * c.element_bytes / network;
    fixed_seconds_ +=
        start_seconds + steps * trainable * update_flop / rate + job_disk(*job) / disk;

    const auto job_meta = static_cast<double>(c.chain.parameters() - c.network) * c.element_bytes;
    parameter_bytes_ += 4 * trainable * c.element_bytes;  // parameter, gradient, two moments
    parameter_bytes_ += static_cast<double>(c.network - c.trainable) * c.element_bytes;
    frozen_others += static_cast<double>(c.frozen) * c.element_bytes - job_meta;
    frozen_meta = std::max(frozen_meta, job_meta);
    meta = std::max(meta, static_cast<double>(c.meta) * c.element_bytes);
    image_bytes_ = std::max(image_bytes_, c.activations * c.element_bytes);
  }
  eval_seconds_ += eval_prefix;
  parameter_bytes_ += frozen_others + (pack.size() > 1 ? std::max(meta, frozen_meta) : frozen_meta);

  // Jobs with fewer steps leave earlier: between two ends the same jobs train.
  std::ranges::sort(ends);
  for (std::int64_t begin = 0; const std::int64_t end : ends) {
    if (end > begin)
      image_seconds_ += static_cast<double>(end - begin) * pack_flops(pack, begin) / rate;
    begin = end;
  }
}

double PackCost::images(int ranks, std::int64_t limit) const {
  std::int64_t share = (micro_batches_ + ranks - 1) / ranks;
  if (limit > 0) share = std::min(share, limit);
  return static_cast<double>(std::min(share * micro_batch_, samples_));
}

double PackCost::seconds(int ranks) const {
  const auto n = static_cast<double>(ranks);
  return image_seconds_ * images(ranks, 0) + eval_seconds_ / n +
         exposed_reduction * reduce_seconds_ * 2 * (n - 1) / n + fixed_seconds_;
}

double PackCost::memory(int ranks) const {
  return parameter_bytes_ + image_bytes_ * images(ranks, forward_micro_batches_);
}

std::vector<int> useful_ranks(std::int64_t micro_batches) {
  const auto most = std::min<std::int64_t>(micro_batches, std::numeric_limits<int>::max());
  std::vector<int> ranks{1};
  while (ranks.back() < most) {
    const auto share = (most + ranks.back() - 1) / ranks.back();
    ranks.push_back(static_cast<int>((most + share - 2) / (share - 1)));
  }
  return ranks;
}

double pack_memory(std::span<const Job* const> pack, int ranks) {
  require(ranks >= 1, "a pack runs on at least one rank");
  return PackCost(pack, MachineOptions{}).memory(ranks);
}

}  // namespace m2mkd
