#pragma once
// The sizes of a NAC, resolved from its settings (reference/nac §1.1).

#include <cmath>

#include <m2mkd/nn/models.hpp>
#include <m2mkd/nn/nac.hpp>

namespace m2mkd::nac {

struct Sizes {
  std::int64_t width, code, heads, hidden;  ///< C, K, H, hidden width of a ModFFN
  std::int64_t inputs, mediators, outputs;  ///< latents of the three groups
  std::int64_t token;                       ///< width of the tokenizer's tokens
  std::int64_t stem, levels, side, grid;    ///< patch, ConvNeXt levels, image and token grid
  std::int64_t tokens() const { return grid * grid; }

  Sizes(const ModelOptions& o, const ImageShape& shape)
      : width(o.width),
        code(o.own<NacOptions>().code_width > 0 ? o.own<NacOptions>().code_width : o.width),
        heads(o.heads),
        hidden(std::llround(o.mlp_ratio * static_cast<double>(o.width))),
        inputs(o.own<NacOptions>().input_latents),
        mediators(o.own<NacOptions>().mediator_latents),
        outputs(o.own<NacOptions>().output_latents),
        token(o.width / 2 + o.own<NacOptions>().position_width),
        stem(o.patch),
        levels(static_cast<std::int64_t>(o.own<NacOptions>().tokenizer_depths.size())),
        side(shape.size),
        grid(shape.size / o.patch) {
    for (std::int64_t level = 1; level < levels; ++level) grid /= 2;
  }
  /// Width of a level of the tokenizer: half of C at the last, half of that before it, and so on.
  std::int64_t level_width(std::int64_t level) const { return width >> (levels - level); }
};

}  // namespace m2mkd::nac
