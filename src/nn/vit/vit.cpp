#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/nn/vit.hpp>

namespace m2mkd {

struct VitStage::Block {
  std::optional<Stitch> pre_stitch, post_stitch;
  LayerNorm norm1, norm2;
  Attention attn;
  std::optional<Mlp> mlp;  ///< this or `moe`
  std::optional<Moe> moe;

  Block(const VitStageOptions& options, std::size_t index, at::TensorOptions tensor)
      : norm1(options.width, options.norm_eps, tensor),
        norm2(options.width, options.norm_eps, tensor),
        attn(options.width, options.heads, options.qkv_bias, tensor) {
    if (index == 0 && options.stitch_in > 0)
      pre_stitch.emplace(options.stitch_in, options.width, options.stitch_norm, tensor);
    if (index + 1 == options.drop_path.size() && options.stitch_out > 0)
      post_stitch.emplace(options.width, options.stitch_out, options.stitch_norm, tensor);
    if (options.moe[index])
      moe.emplace(options.experts, tensor);
    else
      mlp.emplace(options.width, options.hidden, tensor);
  }

  void list(ParameterList& list, const std::string& prefix) const {
    if (pre_stitch) pre_stitch->list(list, prefix + ".pre_stitch");
    norm1.list(list, prefix + ".norm1");
    attn.list(list, prefix + ".attn");
    norm2.list(list, prefix + ".norm2");
    if (mlp) mlp->list(list, prefix + ".mlp");
    if (moe) moe->list(list, prefix + ".moe");
    if (post_stitch) post_stitch->list(list, prefix + ".post_stitch");
  }
};

VitStage::VitStage(VitStageOptions options, at::TensorOptions tensor)
    : options_(std::move(options)) {
  const auto& o = options_;
  require(!o.drop_path.empty(), "VitStage: a stage needs at least one block");
  require(o.moe.size() == o.drop_path.size(),
          "VitStage: drop_path and moe must have one entry per block");
  if (o.owns_input) {
    const auto side = o.image_size / o.patch;
    pos_embed_ = at::empty({1, side * side + 1, o.width}, tensor);
    cls_token_ = at::empty({1, 1, o.width}, tensor);
    patch_weight_ = at::empty({o.width, o.channels, o.patch, o.patch}, tensor);
    patch_bias_ = at::empty({o.width}, tensor);
  }
  for (std::size_t i = 0; i < o.drop_path.size(); ++i)
    blocks_.push_back(std::make_unique<Block>(o, i, tensor));
  if (o.owns_output) {
    norm_ = LayerNorm(o.width, o.norm_eps, tensor);
    head_ = Linear(o.width, o.classes, true, tensor);
  }
}

VitStage::~VitStage() = default;

at::Tensor VitStage::embed(const at::Tensor& images) const {
  const auto batch = images.size(0), side = options_.image_size / options_.patch,
             p = options_.patch;
  // Kernel = stride, so the convolution is a Linear over patches (c, row, column), which run row by
  // row.
  const auto patches = images.view({batch, options_.channels, side, p, side, p})
                           .permute({0, 2, 4, 1, 3, 5})
                           .reshape({batch, side * side, options_.channels * p * p});
  const auto tokens = at::linear(patches, patch_weight_.flatten(1), patch_bias_);
  return at::cat({cls_token_.expand({batch, 1, options_.width}), tokens}, 1) + pos_embed_;
}

std::int64_t VitStage::own_tokens() const {
  const auto side = options_.image_size / options_.patch;
  return side * side + 1;
}

// (B, N, C) → the same; every token is on its own.
at::Tensor VitStage::feed_forward(std::size_t index, const at::Tensor& x,
                                  const ForwardContext& context) const {
  const auto& block = *blocks_[index];
  if (block.mlp) return (*block.mlp)(x);
  const bool balanced = context.regularisers && options_.balance_loss > 0;
  Routed routed;
  const auto y = (*block.moe)(x.flatten(0, 1), context.observations || balanced ? &routed : nullptr)
                     .view(x.sizes());
  if (context.observations) {
    auto& load = context.observations
                     ->expert_load[fmt::format("stages/{}/blocks.{}", options_.stage, index)];
    load = load.defined() ? load + routed.load : routed.load;
  }
  if (balanced)
    context.regularisers->push_back(options_.balance_loss *
                                    balance(routed, x.size(0), context.micro_batch));
  return y;
}

at::Tensor VitStage::forward(const at::Tensor& input, const ForwardContext& context) const {
  auto x = options_.owns_input ? embed(input) : input;
  if (options_.tokens_in > 0) x = resample_tokens(x, own_tokens());
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const auto& block = *blocks_[i];
    const double rate = options_.drop_path[i];
    const auto layer =
        2 * static_cast<std::uint32_t>(options_.first_block + static_cast<std::int64_t>(i));
    // Only token 0 of the last block of an output stage is read: queries, MLP and experts for that
    // token alone.
    const bool class_only =
        options_.owns_output && options_.class_token_only && i + 1 == blocks_.size();

    if (block.pre_stitch) x = (*block.pre_stitch)(x);
    const auto normed = block.norm1(x);
    const auto mixed = class_only ? block.attn.class_token(normed) : block.attn(normed);
    x = (class_only ? x.narrow(1, 0, 1) : x) + drop_path(mixed, rate, layer, context);
    x = x + drop_path(feed_forward(i, block.norm2(x), context), rate, layer + 1, context);
    if (block.post_stitch) x = (*block.post_stitch)(x);
  }
  if (options_.tokens_out > 0) x = resample_tokens(x, options_.tokens_out);
  return options_.owns_output ? head_(norm_(x.select(1, 0))) : x;
}

std::vector<Parameter> VitStage::parameters() const {
  ParameterList list;
  if (options_.owns_input) {
    const Initial normal{Initial::Kind::normal, 0.02};
    const auto fan_in = static_cast<double>(options_.channels * options_.patch * options_.patch);
    const Initial uniform{Initial::Kind::uniform, 1 / std::sqrt(fan_in)};
    list.add_embedding("pos_embed", pos_embed_, normal);
    list.add_embedding("cls_token", cls_token_, normal);
    list.add("patch_embed.proj.weight", patch_weight_, uniform);
    list.add("patch_embed.proj.bias", patch_bias_, uniform);
  }
  for (std::size_t i = 0; i < blocks_.size(); ++i)
    blocks_[i]->list(list, fmt::format("blocks.{}", i));
  if (options_.owns_output) {
    norm_.list(list, "norm");
    head_.list(list, "head");
  }
  return list.take();
}

NamedTensors VitStage::state() const {
  auto view = Stage::state();
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    if (!blocks_[i]->moe) continue;
    // The stacked leaves give way to the experts one by one.
    const auto prefix = fmt::format("blocks.{}.moe", i);
    const auto inside = [&](const auto& entry) { return entry.first.starts_with(prefix + "."); };
    const auto first = std::find_if(view.begin(), view.end(), inside);
    NamedTensors experts;
    blocks_[i]->moe->state(experts, prefix);
    view.insert(view.erase(first, std::find_if_not(first, view.end(), inside)), experts.begin(),
                experts.end());
  }
  return view;
}

std::int64_t VitStage::tokens_out(std::int64_t tokens) const {
  if (options_.owns_output) return 0;
  if (options_.tokens_out > 0) return options_.tokens_out;
  return options_.owns_input || options_.tokens_in > 0 ? own_tokens() : tokens;
}

}  // namespace m2mkd
