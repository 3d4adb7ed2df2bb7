#include "bucket_sums.hpp"

#include <algorithm>
#include <utility>

#include <ATen/ATen.h>

#include <m2mkd/base/error.hpp>

#include "communicator_impl.hpp"

namespace m2mkd {

BucketSums::BucketSums(std::vector<Bucket> buckets, Communicator group)
    : buckets_(std::move(buckets)), group_(std::move(group)) {}

void BucketSums::prepare() {
  for (const Bucket& bucket : buckets_) {
    if (group_.impl() && !bucket.flat.is_cpu()) group_.impl()->on_device(bucket.flat.device());
  }
}

void BucketSums::arm() {
  require(!armed_ && pending_.empty(), "finish() comes before the next overlapped backward");
  armed_ = true;
  missing_.clear();
  for (const Bucket& bucket : buckets_) missing_.push_back(bucket.parameters);
}

void BucketSums::ready(std::size_t bucket) {
  if (!armed_) return;
  require(missing_[bucket] > 0 && pending_.size() <= bucket,
          "a gradient changed after its bucket was complete: only one backward follows "
          "overlap_last_backward()");
  --missing_[bucket];
  while (pending_.size() < buckets_.size() && missing_[pending_.size()] == 0) start_next();
  // MPI makes progress only inside its calls. Testing the oldest unfinished sum drives all of them.
  for (Pending& pending : pending_) {
    if (!pending.test()) break;
  }
}

void BucketSums::start_rest() {
  while (pending_.size() < buckets_.size()) start_next();
}

void BucketSums::finish() {
  start_rest();
  for (Pending& pending : pending_) pending.wait();
  pending_.clear();
  armed_ = false;
}

void BucketSums::start_next() {
  pending_.push_back(group_.start_sum(buckets_[pending_.size()].flat));
}

BucketLayout lay_out(const std::vector<at::Tensor>& parameters, std::int64_t bucket_bytes) {
  constexpr std::int64_t alignment = 64;  // bytes: every gradient starts on a cache line
  struct Open {
    std::size_t bucket;
    std::int64_t elements;
    at::TensorOptions options;
  };
  BucketLayout layout;
  layout.slots.resize(parameters.size());
  std::vector<Open> open;
  const auto close = [&layout](const Open& one) {
    layout.buckets[one.bucket].flat = at::zeros({one.elements}, one.options);
  };
  for (std::size_t i = parameters.size(); i-- > 0;) {
    const at::Tensor& parameter = parameters[i];
    const auto width = static_cast<std::int64_t>(parameter.element_size());
    auto fits = std::find_if(open.begin(), open.end(), [&](const Open& one) {
      return one.options.dtype() == parameter.dtype() && one.options.device() == parameter.device();
    });
    if (fits == open.end()) {
      fits = open.insert(open.end(),
                         {layout.buckets.size(), 0,
                          at::TensorOptions(parameter.dtype()).device(parameter.device())});
      layout.buckets.emplace_back();
    }
    const std::int64_t step = std::max<std::int64_t>(1, alignment / width);
    layout.slots[i] = {fits->bucket, fits->elements};
    fits->elements += (parameter.numel() + step - 1) / step * step;
    ++layout.buckets[fits->bucket].parameters;
    if (fits->elements * width >= bucket_bytes) {
      close(*fits);
      open.erase(fits);
    }
  }
  for (const Open& one : open) close(one);
  return layout;
}

}  // namespace m2mkd
