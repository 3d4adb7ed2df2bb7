#pragma once
// A stage of a vision transformer (DeiT, V-MoE): blocks, with the input part in the first stage and
// norm + head in the last (reference/vmoe §1.1, §2.1, §2.2). Pre-norm blocks: x + DP(attn(norm1
// x)), x + DP(mlp or moe(norm2 x)).

#include <m2mkd/nn/layers.hpp>
#include <m2mkd/nn/moe.hpp>

namespace m2mkd {

struct VitStageOptions {
  int stage = 0;  ///< index in the chain, for observation names
  std::int64_t width = 64, heads = 4, hidden = 256;
  bool qkv_bias = true;
  double norm_eps = 1e-6;
  std::int64_t first_block = 0;   ///< global number of block 0: keys the drop-path noise
  std::vector<double> drop_path;  ///< rate per block; its length is the number of blocks
  std::vector<bool> moe;          ///< per block: mixture of experts instead of the MLP
  MoeOptions experts;
  // first stage
  bool owns_input = false;
  std::int64_t channels = 1, image_size = 28, patch = 7;
  // last stage
  bool owns_output = false;
  std::int64_t classes = 10;
  bool class_token_only =
      true;  ///< last block of an output stage for token 0 only: equal to rounding, cheaper
  double balance_loss = 0;  ///< weight of balance() in the regularisers
  // stitches: width on the other side, 0 = none
  std::int64_t stitch_in = 0, stitch_out = 0;
  bool stitch_norm = true;
  // another number of tokens on the other side: the grid is resampled (bilinear), 0 = the same
  std::int64_t tokens_in = 0, tokens_out = 0;
};

class VitStage : public Stage {
 public:
  VitStage(VitStageOptions options, at::TensorOptions tensor);
  ~VitStage() override;
  at::Tensor forward(const at::Tensor& x, const ForwardContext& context) const override;
  std::vector<Parameter> parameters() const override;
  NamedTensors state() const override;
  StageCost cost(std::int64_t tokens) const override;
  std::int64_t tokens_out(std::int64_t tokens) const override;

 private:
  struct Block;
  std::int64_t own_tokens() const;
  at::Tensor feed_forward(std::size_t block, const at::Tensor& x,
                          const ForwardContext& context) const;
  at::Tensor embed(const at::Tensor& images) const;  ///< (B, C, H, W) → (B, N, width)

  VitStageOptions options_;
  at::Tensor pos_embed_, cls_token_, patch_weight_, patch_bias_;
  std::vector<std::unique_ptr<Block>> blocks_;
  LayerNorm norm_;
  Linear head_;
};

}  // namespace m2mkd
