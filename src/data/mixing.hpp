#pragma once
// Mixup, cutmix and soft targets of one group of samples that share a draw: a micro-batch, or a
// virtual rank's share of the batch. Partner of a sample: its mirror image within the group, so
// that the middle sample of an odd group is its own partner and stays as it is.

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
/// Mixing always acts when it is on; with both kinds on, cutmix with probability 0.5. Images are
/// `side` x `side`.
Mix draw_mix(const DataOptions& options, std::int64_t side, Random random);
/// Mixes rows [first, last) of `images` (B, C, H, W) in place, each with its mirror among them.
void mix_mirrored(const Mix& mix, const at::Tensor& images, std::int64_t first, std::int64_t last);
/// Mixes row `row` of `images` with row 0 of `partner`, which stays as it is. The same bits as
/// mix_mirrored().
void mix_with(const Mix& mix, const at::Tensor& images, std::int64_t row,
              const at::Tensor& partner);
/// Writes row `row` of `targets` (B, classes): λ·y(own) + (1-λ)·y(other), y smoothed by
/// `smoothing`.
void soft_target(const Mix& mix, std::int64_t own, std::int64_t other, double smoothing,
                 const at::Tensor& targets, std::int64_t row);

}  // namespace m2mkd
