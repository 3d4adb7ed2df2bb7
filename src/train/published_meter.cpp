#include "published_meter.hpp"

#include <algorithm>

#include <ATen/ATen.h>

namespace m2mkd {

PublishedMeter::PublishedMeter(std::int64_t images, std::int64_t ranks, std::int64_t batch)
    : images_(images),
      ranks_(ranks),
      batch_(batch),
      per_rank_((images + ranks - 1) / ranks),
      batches_((per_rank_ + batch - 1) / batch),
      correct_(static_cast<std::size_t>(ranks * batches_)) {}

void PublishedMeter::add(std::int64_t first, const at::Tensor& hits) {
  const auto* hit = hits.const_data_ptr<bool>();
  for (std::int64_t i = 0; i < hits.size(0); ++i) {
    if (!hit[i]) continue;
    // The place in the order, and its repetition where the order is filled up.
    for (std::int64_t p = first + i; p < per_rank_ * ranks_; p += images_)
      correct_[static_cast<std::size_t>(p % ranks_ * batches_ + p / ranks_ / batch_)] += 1;
  }
}

double PublishedMeter::acc1() const {
  double sum = 0, weight = 0;
  for (std::size_t cell = 0; cell < correct_.size(); ++cell) {
    const auto begin = static_cast<std::int64_t>(cell) % batches_ * batch_;
    const auto n = static_cast<double>(std::min(batch_, per_rank_ - begin));
    const double accuracy = 100 * correct_[cell] / n;
    sum += n * accuracy + accuracy / 100;
    weight += n + 1;
  }
  return weight > 0 ? sum / weight : 0;
}

}  // namespace m2mkd
