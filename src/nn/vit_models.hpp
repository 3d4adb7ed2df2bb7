#pragma once
// The vision transformers behind models.hpp: ViT (DeiT) and V-MoE.

#include <m2mkd/nn/models.hpp>

namespace m2mkd {

/// Per block of the whole model: mixture of experts? All false for `vit`. Throws
/// std::invalid_argument with the reason.
std::vector<bool> moe_blocks(const ModelOptions& options);

/// Drop-path rate of every block of a stage: linear from 0 to options.drop_path over the model, or
/// by its ramp.
std::vector<double> drop_path_rates(const ModelOptions& options, int stage);

/// Width of the stitches of a stage inside a chain of width `outer_width`; 0 where the rule puts
/// none.
std::int64_t stitch_width(const ModelOptions& options, std::int64_t outer_width);

/// Stage `index` with stitches at its inner ends leading to `outside.width` (0: none), and with its
/// tokens resampled there to `outside.tokens` (0: none).
StagePtr make_vit_stage(const ModelOptions& options, const ImageShape& shape, int index,
                        Surrounding outside, at::TensorOptions tensor);

}  // namespace m2mkd
