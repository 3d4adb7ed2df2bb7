#include "stages.hpp"

#include <cmath>
#include <numeric>

#include <ATen/ATen.h>
#include <fmt/format.h>

namespace m2mkd {
namespace {

std::int64_t total_depth(const ModelOptions& options) {
  return std::accumulate(options.depths.begin(), options.depths.end(), std::int64_t{0});
}

/// Place of a stage's first block in the ramp of drop-path rates.
std::int64_t ramp_place(const ModelOptions& options, int stage) {
  return options.ramp ? options.ramp->first.at(static_cast<std::size_t>(stage))
                      : first_block(options, stage);
}

}  // namespace

std::int64_t first_block(const ModelOptions& options, int index) {
  return std::accumulate(options.depths.begin(), options.depths.begin() + index, std::int64_t{0});
}

std::vector<double> drop_path_rates(const ModelOptions& options, int stage) {
  const auto first = ramp_place(options, stage);
  const auto blocks = options.ramp ? options.ramp->blocks : total_depth(options);
  std::vector<double> rates;
  for (std::int64_t i = 0; i < options.depths[static_cast<std::size_t>(stage)]; ++i)
    rates.push_back(blocks > 1 ? options.drop_path * static_cast<double>(first + i) /
                                     static_cast<double>(blocks - 1)
                               : 0.0);
  return rates;
}

VitStageOptions vit_stage_options(const ModelOptions& options, const ImageShape& shape, int index,
                                  const Surrounding& outside) {
  VitStageOptions o;
  o.stage = index;
  o.width = options.width;
  o.heads = options.heads;
  o.hidden = std::llround(options.mlp_ratio * static_cast<double>(options.width));
  o.qkv_bias = options.qkv_bias;
  o.norm_eps = options.norm_eps;
  o.first_block = ramp_place(options, index);
  o.drop_path = drop_path_rates(options, index);
  o.moe.assign(o.drop_path.size(), false);
  o.owns_input = index == 0;
  o.channels = shape.channels;
  o.image_size = shape.size;
  o.patch = options.patch;
  o.owns_output = index + 1 == options.stages();
  o.classes = shape.classes;
  o.stitch_in = o.owns_input ? 0 : outside.in.width;
  o.stitch_out = o.owns_output ? 0 : outside.out.width;
  o.stitch_norm = options.stitch_norm;
  o.tokens_in = o.owns_input ? 0 : outside.in.tokens;
  o.tokens_out = o.owns_output ? 0 : outside.out.tokens;
  return o;
}

}  // namespace m2mkd
