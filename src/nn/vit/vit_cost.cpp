// FLOP per image of a vision transformer's stage, products alone: 1 multiply-add = 2 FLOP.

#include <ATen/ATen.h>

#include <m2mkd/nn/vit.hpp>

#include "work.hpp"

namespace m2mkd {
namespace {

/// A block with `read` of its `tokens` tokens computed (1: the class token only; keys and values
/// are needed of all).
Work block_work(const VitStageOptions& o, bool moe, double tokens, double read) {
  const auto d = static_cast<double>(o.width);
  Work work;
  work.weights = 2 * d * d * (2 * tokens + 2 * read);
  work.activations = 2 * (2 * read * tokens * d);
  if (moe)
    work.weights += 2 * read * d *
                    static_cast<double>(2 * o.experts.top_k * o.experts.hidden + o.experts.experts);
  else
    work.weights += 2 * read * 2 * d * static_cast<double>(o.hidden);
  return work;
}

/// Elements that a block keeps: inputs of norms, products, attention and GELU.
double block_elements(const VitStageOptions& o, bool moe, double tokens, double read) {
  const auto d = static_cast<double>(o.width);
  const double attention = tokens * 4 * d + read * 2 * d;
  if (!moe) return attention + read * (2 * d + 2 * static_cast<double>(o.hidden));
  const auto k = static_cast<double>(o.experts.top_k);
  return attention + read * (2 * d + k * (2 * d + 2 * static_cast<double>(o.experts.hidden)));
}

}  // namespace

StageCost VitStage::cost(std::int64_t tokens_in) const {
  const auto& o = options_;
  const auto side = o.image_size / o.patch;
  const auto tokens =
      static_cast<double>(o.owns_input || o.tokens_in > 0 ? own_tokens() : tokens_in);
  const auto d = static_cast<double>(o.width);

  Work run, full;  // as executed, and with the last block computed for every token
  const auto both = [&](const Work& work) {
    run += work;
    full += work;
  };
  double patch = 0, elements = 0;
  if (o.owns_input) {
    const auto fan_in = static_cast<double>(o.channels * o.patch * o.patch);
    patch = 2 * fan_in * d * static_cast<double>(side * side);
    both({patch, 0});
    elements += static_cast<double>(side * side) * fan_in;
  }
  const auto stitch = [&](std::int64_t in, std::int64_t out) {
    both({2 * static_cast<double>(in * out) * tokens, 0});
    elements += 2 * static_cast<double>(in) * tokens;
  };
  if (o.stitch_in > 0) stitch(o.stitch_in, o.width);
  for (std::size_t i = 0; i < o.moe.size(); ++i) {
    const bool class_only = o.owns_output && o.class_token_only && i + 1 == o.moe.size();
    const double read = class_only ? 1 : tokens;
    run += block_work(o, o.moe[i], tokens, read);
    full += block_work(o, o.moe[i], tokens, tokens);
    elements += block_elements(o, o.moe[i], tokens, read);
  }
  if (o.stitch_out > 0) stitch(o.width, o.stitch_out);
  if (o.owns_output) {
    both({2 * d * static_cast<double>(o.classes), 0});
    elements += 2 * d;
  }

  return stage_cost(run, full, patch, elements);
}

}  // namespace m2mkd
