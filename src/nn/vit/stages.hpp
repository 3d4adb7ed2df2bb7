#pragma once
// The stages of a vision transformer, by its settings.

#include <m2mkd/nn/models.hpp>
#include <m2mkd/nn/vit.hpp>

namespace m2mkd {

/// Drop-path rate of every block of a stage: linear from 0 to options.drop_path over the model, or
/// by its ramp.
std::vector<double> drop_path_rates(const ModelOptions& options, int stage);

/// Number of the first block of stage `index` in the whole model.
std::int64_t first_block(const ModelOptions& options, int index);

/// Options of dense stage `index` with stitches at its inner ends leading to the widths of
/// `outside` (0: none), and with its tokens resampled there to those of `outside` (0: none).
VitStageOptions vit_stage_options(const ModelOptions& options, const ImageShape& shape, int index,
                                  const Surrounding& outside);

}  // namespace m2mkd
