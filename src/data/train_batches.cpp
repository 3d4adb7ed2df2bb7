#include "train_batches.hpp"

#include <algorithm>
#include <numeric>

#include <ATen/ATen.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/random.hpp>

#include "mixing.hpp"

namespace m2mkd {

Range share(std::int64_t count, int rank, int ranks) {
  require(count >= 0 && ranks >= 1 && rank >= 0 && rank < ranks, "share(): rank in [0, ranks)");
  // The first ranks get one more: the last micro-batch of a batch, which may be small, then falls
  // to a rank with many.
  const std::int64_t base = count / ranks, more = count % ranks;
  const std::int64_t first = rank * base + std::min<std::int64_t>(rank, more);
  return {first, first + base + (rank < more ? 1 : 0)};
}

TrainBatches::TrainBatches(Dataset dataset, const DataOptions& data, const LoaderOptions& options)
    : data_(data), options_(options), reader_(std::move(dataset), data, options.dtype) {
  require(options.batch >= 1 && options.micro_batch >= 1 && options.forward_micro_batches >= 0,
          "batch and micro-batch hold at least one sample");
  const std::int64_t size = reader_.dataset().size();
  if (size == 0)
    fail("no training images are left in {}: make data.validation_images smaller",
         data.train.string());
  samples_ = std::min(options.batch, size);
  steps_ = size / samples_;
  mine_ = share((samples_ + options.micro_batch - 1) / options.micro_batch, options.rank,
                options.ranks);
  const std::int64_t all = std::max<std::int64_t>(mine_.last - mine_.first, 1);
  together_ = options.forward_micro_batches == 0 ? all : options.forward_micro_batches;
  micro_ = mine_.first;
}

std::int64_t TrainBatches::batches_per_step() const {
  return (mine_.last - mine_.first + together_ - 1) / together_;
}

void TrainBatches::seek(std::int64_t step) {
  require(step >= 0, "steps count from 0");
  step_ = step;
  micro_ = mine_.first;
}

void TrainBatches::enter_epoch() {
  const std::int64_t epoch = step_ / steps_;
  if (epoch == epoch_) return;
  const std::int64_t size = reader_.dataset().size();
  if (data_.order == Order::shuffled) {
    order_ =
        permutation(size, Random(options_.seed, Purpose::order, static_cast<std::uint64_t>(epoch)));
  } else {
    order_.resize(static_cast<std::size_t>(size));
    std::iota(order_.begin(), order_.end(), 0);
  }
  epoch_ = epoch;
}

Placement TrainBatches::placement(std::int64_t sample) const {
  Placement p;
  if (data_.flip <= 0 && data_.crop_pad == 0) return p;
  // Keyed by the place in the file, so that a sample's augmentation does not depend on the subset
  // it is in.
  const auto index = static_cast<std::uint64_t>(reader_.dataset().index(sample));
  Random random(options_.seed, Purpose::augment, index, static_cast<std::uint32_t>(epoch_));
  p.flip = random.uniform() < data_.flip;
  if (const std::int64_t pad = data_.crop_pad; pad > 0) {
    const auto places = static_cast<std::uint64_t>(2 * pad + 1);
    p.dy = static_cast<std::int64_t>(random.below(places)) - pad;
    p.dx = static_cast<std::int64_t>(random.below(places)) - pad;
  }
  return p;
}

Batch TrainBatches::make() {
  enter_epoch();
  const std::int64_t size = options_.micro_batch;
  const std::int64_t last_micro = std::min(micro_ + together_, mine_.last);
  const std::int64_t first = micro_ * size, last = std::min(last_micro * size, samples_);
  const Dataset& dataset = reader_.dataset();

  Batch batch;
  batch.first = first;
  batch.last = last_micro == mine_.last;
  batch.images = reader_.images(last - first);
  batch.labels = at::empty({last - first}, at::kLong);
  auto* labels = batch.labels.data_ptr<std::int64_t>();
  const std::int64_t begin = (step_ % steps_) * samples_ + first;
  for (std::int64_t row = 0; row < last - first; ++row) {
    const std::int64_t sample = order_[static_cast<std::size_t>(begin + row)];
    reader_.read(sample, placement(sample), batch.images, row);
    labels[row] = dataset.label(sample);
  }

  if (mixes(data_) || data_.smoothing > 0) {
    batch.targets = at::empty({last - first, dataset.classes()}, options_.dtype);
    const auto& info = dataset.file().info();
    const std::span<const std::int64_t> all(labels, static_cast<std::size_t>(last - first));
    for (std::int64_t m = micro_; m < last_micro; ++m) {
      const Mix mix =
          draw_mix(data_, info.height, info.width,
                   Random(options_.seed, Purpose::mixup, static_cast<std::uint64_t>(step_),
                          static_cast<std::uint32_t>(m)));
      const std::int64_t from = (m - micro_) * size, to = std::min(from + size, last - first);
      mix_images(mix, batch.images, from, to);
      mix_targets(mix, all, data_.smoothing, batch.targets, from, to);
    }
  }

  micro_ = last_micro;
  if (batch.last) seek(step_ + 1);
  return batch;
}

}  // namespace m2mkd
