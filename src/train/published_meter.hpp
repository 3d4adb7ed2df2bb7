#pragma once
// The published Python's accuracy, which is too low: for every batch its meter takes the accuracy
// in percent once more as a fraction, with weight one (reference/nac §5.3).

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace m2mkd {

class PublishedMeter {
 public:
  /// Images are dealt to virtual ranks in turn, the last ones filled up from the start, and cut
  /// into batches there.
  PublishedMeter(std::int64_t images, std::int64_t ranks, std::int64_t batch);
  /// `hits`: (B) bool on the CPU, of images `first`, first + 1, ...
  void add(std::int64_t first, const at::Tensor& hits);
  /// Correct answers per batch: summed over real ranks before acc1() is asked.
  std::vector<double>& correct() { return correct_; }
  /// Σ (n·A + A/100) / Σ (n + 1) over the batches, percent.
  double acc1() const;

 private:
  std::int64_t images_, ranks_, batch_, per_rank_, batches_;
  std::vector<double> correct_;  ///< by virtual rank and batch
};

}  // namespace m2mkd
