#include "train_batches.hpp"

#include <algorithm>

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

namespace {

const Dataset& not_empty(const Dataset& dataset, const DataOptions& data) {
  if (dataset.size() == 0)
    fail("no training images are left in {}: make data.validation_images smaller",
         data.train.string());
  return dataset;
}

}  // namespace

TrainBatches::TrainBatches(Dataset dataset, const DataOptions& data, const LoaderOptions& options)
    : data_(data),
      options_(options),
      reader_(not_empty(dataset, data), data, options.dtype),
      sampler_(data, dataset.size(), options.batch, options.seed),
      partner_(reader_.images(1)) {
  require(options.batch >= 1 && options.micro_batch >= 1 && options.forward_micro_batches >= 0,
          "batch and micro-batch hold at least one sample");
  const std::int64_t samples = samples_per_step();
  mine_ =
      share((samples + options.micro_batch - 1) / options.micro_batch, options.rank, options.ranks);
  const std::int64_t all = std::max<std::int64_t>(mine_.last - mine_.first, 1);
  together_ = options.forward_micro_batches == 0 ? all : options.forward_micro_batches;
  const bool shares = mixes(data) && data.mix_per == MixPer::rank_batch;
  mix_group_ = shares ? samples / data.published_ranks : options.micro_batch;
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

std::int64_t TrainBatches::label(std::int64_t position) {
  return reader_.dataset().label(sampler_.at(step_, position).sample);
}

void TrainBatches::read(std::int64_t position, const at::Tensor& images, std::int64_t row) {
  const Showing shown = sampler_.at(step_, position);
  reader_.read_augmented(shown.sample, {options_.seed, sampler_.epoch(step_), shown.repetition},
                         images, row);
}

// Adds targets and mixes the images, group by group. A group may reach beyond this batch (into the
// rank's next one, or another rank's): partners there are read once more.
void TrainBatches::mix(Batch& batch) {
  const std::int64_t first = batch.first, last = first + batch.labels.size(0);
  batch.targets = at::empty({last - first, reader_.dataset().classes()}, options_.dtype);
  for (std::int64_t group = first / mix_group_; group * mix_group_ < last; ++group) {
    const Mix mix =
        draw_mix(data_, reader_.side(),
                 Random(options_.seed, Purpose::mixup, static_cast<std::uint64_t>(step_),
                        static_cast<std::uint32_t>(group)));
    const std::int64_t begin = group * mix_group_,
                       end = std::min(begin + mix_group_, samples_per_step());
    const std::int64_t mirror = begin + end - 1;  // position + partner's position
    const std::int64_t from = std::max(begin, first), to = std::min(end, last);
    // Positions [low, high) have their partner in this batch too.
    const std::int64_t low = std::max(from, mirror + 1 - to), high = mirror + 1 - low;
    if (low < high) mix_mirrored(mix, batch.images, low - first, high - first);
    for (std::int64_t p = from; p < to; ++p) {
      if ((p < low || p >= high) && mix.lambda != 1) {
        read(mirror - p, partner_, 0);
        mix_with(mix, batch.images, p - first, partner_);
      }
      soft_target(mix, label(p), label(mirror - p), data_.smoothing, batch.targets, p - first);
    }
  }
}

Batch TrainBatches::make() {
  const std::int64_t last_micro = std::min(micro_ + together_, mine_.last);
  const std::int64_t first = micro_ * options_.micro_batch,
                     last = std::min(last_micro * options_.micro_batch, samples_per_step());
  Batch batch;
  batch.first = first;
  batch.images = reader_.images(last - first);
  batch.labels = at::empty({last - first}, at::kLong);
  auto* labels = batch.labels.data_ptr<std::int64_t>();
  for (std::int64_t row = 0; row < last - first; ++row) {
    read(first + row, batch.images, row);
    labels[row] = label(first + row);
  }
  if (mixes(data_) || data_.smoothing > 0) mix(batch);

  micro_ = last_micro;
  if (last_micro == mine_.last) seek(step_ + 1);
  return batch;
}

}  // namespace m2mkd
