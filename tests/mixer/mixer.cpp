// A family that exists for the tests alone: a small MLP-Mixer (Tolstikhin et al. 2021) with a
// hierarchy. Between stages the width doubles and the side of the grid halves; no class token.

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <m2mkd/nn/family.hpp>
#include <m2mkd/nn/layers.hpp>

#include "shapes.hpp"
#include "work.hpp"

namespace m2mkd {
namespace {

struct MixerOptions {
  std::int64_t token_hidden = 16;  ///< hidden width of the MLPs over tokens
};

/// What stage `index` of a mixer works with.
struct Sizes {
  std::int64_t width, hidden, side, token_hidden, first_block;
  std::int64_t tokens() const { return side * side; }

  Sizes(const ModelOptions& o, const ImageShape& shape, int index)
      : width(o.width << index),
        hidden(std::llround(o.mlp_ratio * static_cast<double>(width))),
        side((shape.size / o.patch) >> index),
        token_hidden(o.own<MixerOptions>().token_hidden),
        first_block(0) {
    for (int i = 0; i < index; ++i) first_block += o.depths[static_cast<std::size_t>(i)];
  }
};

struct Block {
  LayerNorm norm1, norm2;
  Mlp token_mlp, mlp;

  Block(const Sizes& s, double eps, at::TensorOptions tensor)
      : norm1(s.width, eps, tensor),
        norm2(s.width, eps, tensor),
        token_mlp(s.tokens(), s.token_hidden, tensor),
        mlp(s.width, s.hidden, tensor) {}
  void list(ParameterList& list, const std::string& prefix) const {
    norm1.list(list, prefix + ".norm1");
    token_mlp.list(list, prefix + ".token_mlp");
    norm2.list(list, prefix + ".norm2");
    mlp.list(list, prefix + ".mlp");
  }
};

class MixerStage : public Stage {
 public:
  /// `before`, `behind`: width of the chain there where a stitch leads to it, else 0.
  MixerStage(const ModelOptions& o, const ImageShape& shape, int index, std::int64_t before,
             std::int64_t behind, at::TensorOptions tensor)
      : options_(o), shape_(shape), index_(index), sizes_(o, shape, index) {
    // Images are cut into patches, tokens merged two by two: a product over what becomes one token.
    const auto fan_in = index == 0 ? shape.channels * o.patch * o.patch : 4 * (sizes_.width / 2);
    merge_ = Linear(fan_in, sizes_.width, true, tensor);
    if (index > 0 && before > 0) pre_.emplace(before, sizes_.width / 2, o.stitch_norm, tensor);
    for (std::int64_t i = 0; i < o.depths[static_cast<std::size_t>(index)]; ++i)
      blocks_.emplace_back(sizes_, o.norm_eps, tensor);
    if (last()) {
      norm_ = LayerNorm(sizes_.width, o.norm_eps, tensor);
      head_ = Linear(sizes_.width, shape.classes, true, tensor);
    } else if (behind > 0) {
      post_.emplace(sizes_.width, behind, o.stitch_norm, tensor);
    }
  }

  at::Tensor forward(const at::Tensor& input, const ForwardContext& context) const override {
    auto x = merge_(index_ == 0 ? cut(input, options_.patch)
                                : cut(image_of(pre_ ? (*pre_)(input) : input), 2));
    std::uint32_t layer = 2 * static_cast<std::uint32_t>(sizes_.first_block);
    for (const auto& block : blocks_) {
      const auto mixed = block.token_mlp(block.norm1(x).transpose(1, 2)).transpose(1, 2);
      x = x + drop_path(mixed, options_.drop_path, layer++, context);
      x = x + drop_path(block.mlp(block.norm2(x)), options_.drop_path, layer++, context);
    }
    if (last()) return head_(norm_(x).mean(1));
    return post_ ? (*post_)(x) : x;
  }

  std::vector<Parameter> parameters() const override {
    ParameterList list;
    merge_.list(list, index_ == 0 ? "patch_embed.proj" : "blocks.0.downsample");
    if (pre_) pre_->list(list, "blocks.0.pre_stitch");
    for (std::size_t i = 0; i < blocks_.size(); ++i)
      blocks_[i].list(list, fmt::format("blocks.{}", i));
    if (post_) post_->list(list, fmt::format("blocks.{}.post_stitch", blocks_.size() - 1));
    if (last()) {
      norm_.list(list, "norm");
      head_.list(list, "head");
    }
    return list.take();
  }

  StageCost cost(std::int64_t) const override {
    const auto n = static_cast<double>(sizes_.tokens()), c = static_cast<double>(sizes_.width);
    const double images = index_ == 0 ? 2 * n * static_cast<double>(merge_.weight.numel()) : 0;
    Work work{2 * n * static_cast<double>(merge_.weight.numel()), 0};
    const double block =
        2 * 2 * n * c *
        (static_cast<double>(sizes_.token_hidden) + static_cast<double>(sizes_.hidden));
    work.weights += block * static_cast<double>(blocks_.size());
    if (pre_) work.weights += 2 * 4 * n * static_cast<double>(pre_->fc.weight.numel());
    if (post_) work.weights += 2 * n * static_cast<double>(post_->fc.weight.numel());
    if (last()) work.weights += 2 * static_cast<double>(head_.weight.numel());
    return stage_cost(work, work, images, 8 * n * c * static_cast<double>(blocks_.size()));
  }
  std::int64_t tokens_out(std::int64_t) const override { return last() ? 0 : sizes_.tokens(); }

 private:
  bool last() const { return index_ + 1 == options_.stages(); }
  /// (B, N, C) → (B, C, side, side)
  static at::Tensor image_of(const at::Tensor& x) {
    const auto side = std::llround(std::sqrt(static_cast<double>(x.size(1))));
    return x.transpose(1, 2).reshape({x.size(0), x.size(2), side, side});
  }
  /// (B, C, s, s) → (B, (s / p)², C p²)
  static at::Tensor cut(const at::Tensor& x, std::int64_t p) {
    const auto side = x.size(2) / p;
    return x.reshape({x.size(0), x.size(1), side, p, side, p})
        .permute({0, 2, 4, 1, 3, 5})
        .reshape({x.size(0), side * side, x.size(1) * p * p});
  }

  ModelOptions options_;
  ImageShape shape_;
  int index_;
  Sizes sizes_;
  Linear merge_, head_;
  std::optional<Stitch> pre_, post_;
  std::vector<Block> blocks_;
  LayerNorm norm_;
};

class MixerFamily : public Family {
 public:
  std::string name() const override { return "mixer"; }
  std::string title() const override { return "Mixer"; }
  std::string about() const override { return "MLPs over tokens and channels, in a hierarchy"; }
  Keys<ModelOptions> keys() const override {
    Keys<MixerOptions> k;
    k.add("token_hidden", &MixerOptions::token_hidden,
          "mixer: hidden width of the MLPs over tokens", within<std::int64_t>(1, 65536));
    return own_keys(k);
  }
  bool depends_on(const std::string& key, bool distill_form) const override {
    return key != "heads" && key != "qkv_bias" && Family::depends_on(key, distill_form);
  }
  bool leaves_no_trace(const std::string& key) const override { return key == "norm_eps"; }
  std::vector<std::string> problems(const ModelOptions& o, const ImageShape& shape) const override {
    const auto factor = o.patch << (o.stages() - 1);
    if (shape.size >= factor && shape.size % factor == 0) return {};
    return {fmt::format("patch = {}: {} stages need images whose side {} divides", o.patch,
                        o.stages(), factor)};
  }
  Boundary boundary(const ModelOptions& o, const ImageShape& shape, int at) const override {
    const Sizes sizes(o, shape, at - 1);
    return {sizes.width, sizes.tokens(), false};
  }
  bool runs_on_any_tokens() const override { return false; }
  StagePtr stage(const ModelOptions& o, const ImageShape& shape, int index,
                 const Surrounding& around, const StagePtr&,
                 at::TensorOptions tensor) const override {
    return make(o, o.keep_stitches ? o.stitch : StitchRule::never, shape, index, around, tensor);
  }
  StagePtr distill_form(const ModelOptions& o, const ImageShape& shape, int index,
                        const Surrounding& around, at::TensorOptions tensor) const override {
    return make(o, o.stitch, shape, index, around, tensor);
  }
  bool recognises(const std::vector<std::string>& keys) const override {
    return std::ranges::any_of(
        keys, [](const auto& key) { return key.find(".token_mlp.") != std::string::npos; });
  }
  void see(const StagedTensors& tensors, SeenModel& seen) const override {
    auto& o = seen.options;
    const auto root = [](std::int64_t n) {
      return std::llround(std::sqrt(static_cast<double>(n)));
    };
    std::int64_t side = 1;
    for (const auto& [stage, part] : by_stage(tensors)) {
      const Shapes own(part);
      o.width = own.get("norm1.weight", 0, 1) >> stage;
      side = root(own.get("token_mlp.fc1.weight", 1, 1)) << stage;
      o.own<MixerOptions>().token_hidden = own.get("token_mlp.fc1.weight", 0, 1);
      o.mlp_ratio = static_cast<double>(own.get("0.mlp.fc1.weight", 0, 1)) /
                    static_cast<double>(o.width << stage);
      const auto in = own.find("pre_stitch.fc.weight", 1);
      const auto out = own.find("post_stitch.fc.weight", 0);
      if (in || out)
        seen.distilled[stage] = {{Boundary{in.value_or(0)}, Boundary{out.value_or(0)}},
                                 StitchRule::always};
    }
    const Shapes shapes(tensors);
    o.patch = root(shapes.get("patch_embed.proj.weight", 1, 1));
    seen.image = {1, o.patch * side, shapes.get("head.weight", 0, 1)};
  }
  void guess(SeenModel& seen, const Guessing&) const override { seen.heads_known = true; }

 private:
  static StagePtr make(const ModelOptions& o, StitchRule rule, const ImageShape& shape, int index,
                       const Surrounding& around, at::TensorOptions tensor) {
    const auto before =
        index == 0 ? 0 : stitch_width(rule, o.width << (index - 1), around.in.width);
    const auto behind = stitch_width(rule, o.width << index, around.out.width);
    return std::make_shared<MixerStage>(o, shape, index, before, behind, tensor);
  }
};

}  // namespace

const Family& mixer_family() {
  static const MixerFamily family;
  return family;
}

}  // namespace m2mkd
