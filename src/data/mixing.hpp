#pragma once
// Mixup, cutmix and soft targets of one micro-batch. Partner of a sample: its mirror image along
// the batch axis, so that the middle sample of an odd micro-batch is its own partner and stays as
// it is.

#include <span>

#include <ATen/core/Tensor.h>

#include <m2mkd/base/random.hpp>
#include <m2mkd/data/options.hpp>

namespace m2mkd {

/// One draw: blend whole images, or paste the box of the partner.
struct Mix {
  double lambda = 1;  ///< weight of the sample itself; 1: nothing is mixed
  bool cut = false;
  std::int64_t top = 0, bottom = 0, left = 0, right = 0;  ///< box of cutmix, half open
};

/// Is any mixing switched on?
bool mixes(const DataOptions& options);
/// Mixing always acts when it is on; with both kinds on, cutmix with probability 0.5.
Mix draw_mix(const DataOptions& options, std::int64_t height, std::int64_t width, Random random);
/// Mixes rows [first, last) of `images` (B, C, H, W) in place.
void mix_images(const Mix& mix, const at::Tensor& images, std::int64_t first, std::int64_t last);
/// Writes rows [first, last) of `targets` (B, classes): λ·y + (1-λ)·y of the partner, y smoothed by
/// `smoothing`.
void mix_targets(const Mix& mix, std::span<const std::int64_t> labels, double smoothing,
                 const at::Tensor& targets, std::int64_t first, std::int64_t last);

}  // namespace m2mkd
