#include "vit_models.hpp"

#include <cmath>
#include <numeric>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/nn/vit.hpp>

namespace m2mkd {
namespace {

std::int64_t total_depth(const ModelOptions& options) {
  return std::accumulate(options.depths.begin(), options.depths.end(), std::int64_t{0});
}

/// Global number of the first block of stage `index`.
std::int64_t first_block(const ModelOptions& options, int index) {
  return std::accumulate(options.depths.begin(), options.depths.begin() + index, std::int64_t{0});
}

/// Place of a stage's first block in the ramp of drop-path rates.
std::int64_t ramp_place(const ModelOptions& options, int stage) {
  return options.ramp ? options.ramp->first.at(static_cast<std::size_t>(stage))
                      : first_block(options, stage);
}

}  // namespace

std::vector<bool> moe_blocks(const ModelOptions& options) {
  const auto depth = static_cast<std::size_t>(total_depth(options));
  std::vector<bool> blocks(depth, false);
  if (options.model == ModelName::vit || options.moe_blocks == "none") return blocks;
  if (options.moe_blocks == "all") return std::vector<bool>(depth, true);
  if (options.moe_blocks == "odd") {
    for (std::size_t i = 1; i < depth; i += 2) blocks[i] = true;
    return blocks;
  }
  std::vector<std::int64_t> numbers;
  try {
    numbers = parse_value<std::vector<std::int64_t>>(options.moe_blocks);
  } catch (const std::invalid_argument&) {
    throw std::invalid_argument("neither all, odd, none nor a list of block numbers");
  }
  if (numbers.empty())
    throw std::invalid_argument("an empty list (write none for a model without experts)");
  for (const auto number : numbers) {
    if (number < 0 || number >= total_depth(options))
      throw std::invalid_argument(
          fmt::format("block {} does not exist: the model's blocks are 0 to {}", number,
                      total_depth(options) - 1));
    if (blocks[static_cast<std::size_t>(number)])
      throw std::invalid_argument(fmt::format("block {} is listed twice", number));
    blocks[static_cast<std::size_t>(number)] = true;
  }
  return blocks;
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

std::int64_t stitch_width(const ModelOptions& options, std::int64_t outer_width) {
  switch (options.stitch) {
    case StitchRule::automatic:
      return options.width == outer_width ? 0 : outer_width;
    case StitchRule::always:
      return outer_width;
    case StitchRule::never:
      return 0;
  }
  return 0;
}

StagePtr make_vit_stage(const ModelOptions& options, const ImageShape& shape, int index,
                        Surrounding outside, at::TensorOptions tensor) {
  require(index >= 0 && index < options.stages(),
          "make_stage: the model has no stage of this index");
  const auto begin = first_block(options, index),
             end = begin + options.depths[static_cast<std::size_t>(index)];
  const auto moe = moe_blocks(options);
  VitStageOptions o;
  o.stage = index;
  o.width = options.width;
  o.heads = options.heads;
  o.hidden = std::llround(options.mlp_ratio * static_cast<double>(options.width));
  o.qkv_bias = options.qkv_bias;
  o.norm_eps = options.norm_eps;
  o.first_block = ramp_place(options, index);
  o.drop_path = drop_path_rates(options, index);
  o.moe.assign(moe.begin() + begin, moe.begin() + end);
  o.experts = {o.width,          o.hidden, options.experts, options.top_k, options.expert_init,
               options.gate_bias};
  o.balance_loss = options.balance_loss;
  o.owns_input = index == 0;
  o.channels = shape.channels;
  o.image_size = shape.size;
  o.patch = options.patch;
  o.owns_output = index + 1 == options.stages();
  o.classes = shape.classes;
  o.stitch_in = o.owns_input ? 0 : outside.width;
  o.stitch_out = o.owns_output ? 0 : outside.width;
  o.stitch_norm = options.stitch_norm;
  o.tokens_in = o.owns_input ? 0 : outside.tokens;
  o.tokens_out = o.owns_output ? 0 : outside.tokens;
  return std::make_shared<VitStage>(std::move(o), tensor);
}

}  // namespace m2mkd
