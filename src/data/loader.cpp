#include <algorithm>

#include <ATen/ATen.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/data/loader.hpp>

#include "prefetcher.hpp"
#include "train_batches.hpp"

namespace m2mkd {

struct TrainLoader::Impl {
  TrainBatches batches;
  std::int64_t depth;
  std::optional<Prefetcher> prefetcher;  ///< last: its thread uses `batches`
};

TrainLoader::TrainLoader(Dataset dataset, const DataOptions& data, const LoaderOptions& options)
    : impl_(new Impl{TrainBatches(std::move(dataset), data, options), data.loader_depth, {}}) {}

TrainLoader::~TrainLoader() = default;

std::int64_t TrainLoader::steps_per_epoch() const {
  return impl_->batches.steps_per_epoch();
}
std::int64_t TrainLoader::samples_per_step() const {
  return impl_->batches.samples_per_step();
}
std::int64_t TrainLoader::batches_per_step() const {
  return impl_->batches.batches_per_step();
}

void TrainLoader::start(std::int64_t step) {
  impl_->prefetcher.reset();
  impl_->batches.seek(step);
  if (batches_per_step() > 0)
    impl_->prefetcher.emplace([&batches = impl_->batches] { return std::optional(batches.make()); },
                              impl_->depth);
}

Batch TrainLoader::next() {
  require(impl_->prefetcher.has_value(),
          "TrainLoader::next() needs start(), and a rank that has micro-batches");
  return std::move(*impl_->prefetcher->next());  // the sequence has no end
}

struct EvalLoader::Impl {
  SampleReader reader;
  std::int64_t batch;
  Range mine;             ///< this rank's samples of the split
  std::int64_t position;  ///< first sample of the batch to make
  std::optional<Prefetcher> prefetcher;

  std::optional<Batch> make() {
    if (position == mine.last) return std::nullopt;
    Batch result;
    result.first = position;
    const std::int64_t last = std::min(position + batch, mine.last);
    result.images = reader.images(last - position);
    result.labels = at::empty({last - position}, at::kLong);
    for (std::int64_t row = 0; position < last; ++row, ++position) {
      reader.read_plain(position, result.images, row);
      result.labels.data_ptr<std::int64_t>()[row] = reader.dataset().label(position);
    }
    return result;
  }
};

EvalLoader::EvalLoader(Dataset dataset, const DataOptions& data, std::int64_t batch, int rank,
                       int ranks, at::ScalarType dtype, std::int64_t limit) {
  require(batch >= 1, "a batch holds at least one sample");
  const Range mine =
      share(limit < 0 ? dataset.size() : std::min(limit, dataset.size()), rank, ranks);
  impl_.reset(new Impl{SampleReader(std::move(dataset), data, dtype), batch, mine, mine.first, {}});
  impl_->prefetcher.emplace([impl = impl_.get()] { return impl->make(); }, data.loader_depth);
}

EvalLoader::~EvalLoader() = default;

bool EvalLoader::next(Batch& batch) {
  auto made = impl_->prefetcher->next();
  if (!made) return false;
  batch = std::move(*made);
  return true;
}

}  // namespace m2mkd
