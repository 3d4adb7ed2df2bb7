#pragma once
// The experts' two products forward and backward, in two ways with one meaning. Rows are sorted by
// expert.

#include "expert_mlp.hpp"

namespace m2mkd {

/// What a forward makes and its backward needs, one row per token and choice: (R, C), (R, hidden),
/// (R, hidden), (R, C).
struct ExpertRows {
  at::Tensor input, hidden, active, output;
};

/// Stacked like the weights; undefined where not wanted. An expert without rows has zeros.
struct ExpertGradients {
  at::Tensor input, w1, b1, w2, b2;
};
struct ExpertGradientsWanted {
  bool input, w1, b1, w2, b2;
  bool beyond_output() const { return input || w1 || b1; }
};

/// One way to run the experts.
struct ExpertPasses {
  ExpertRows (*forward)(const at::Tensor& input, const ExpertWeights& weights,
                        const Routing& routing);
  ExpertGradients (*backward)(const at::Tensor& d_output, const ExpertRows& rows,
                              const ExpertWeights& weights, const Routing& routing,
                              const ExpertGradientsWanted& wanted);
};

/// Expert by expert over contiguous slices, whose intermediate values stay in the cache. Needs
/// routing.rows.
extern const ExpertPasses kSlicedPasses;
/// Grouped products over all experts with the offsets on the device: never waits for the device.
extern const ExpertPasses kGroupedPasses;

}  // namespace m2mkd
