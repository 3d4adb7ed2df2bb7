#pragma once
// The vision transformers behind models.hpp: ViT (DeiT) and V-MoE.

#include <m2mkd/nn/models.hpp>

namespace m2mkd {

/// Per block of the whole model: mixture of experts? All false for `vit`. Throws
/// std::invalid_argument with the reason.
std::vector<bool> moe_blocks(const ModelOptions& options);

/// Drop-path rate of every block of the whole model: linear from 0 to options.drop_path.
std::vector<double> drop_path_rates(const ModelOptions& options);

/// Width of the stitches of a stage inside a chain of width `outer_width`; 0 where the rule puts
/// none.
std::int64_t stitch_width(const ModelOptions& options, std::int64_t outer_width);

/// Stage `index` with stitches at its inner ends leading to `stitch` (0: none).
StagePtr make_vit_stage(const ModelOptions& options, const ImageShape& shape, int index,
                        std::int64_t stitch, at::TensorOptions tensor);

}  // namespace m2mkd
