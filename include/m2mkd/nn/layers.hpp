#pragma once
// Building blocks on ATen. Construction allocates (also on the meta device) and initialises
// nothing.

#include <m2mkd/nn/stage.hpp>

namespace m2mkd {

/// Collects parameters under a growing prefix: the names are the class tree.
class ParameterList {
 public:
  void add(const std::string& name, const at::Tensor& tensor, Initial initial, bool idle = false);
  void add_embedding(const std::string& name, const at::Tensor& tensor, Initial initial);
  std::vector<Parameter> take() { return std::move(list_); }

 private:
  std::vector<Parameter> list_;
};

/// y = x Wᵀ + b; W (out, in).
struct Linear {
  at::Tensor weight, bias;  ///< bias undefined where there is none
  Linear() = default;
  Linear(std::int64_t in, std::int64_t out, bool with_bias, at::TensorOptions options);
  at::Tensor operator()(const at::Tensor& x) const;
  /// Weight N(0, 0.02), bias 0 (timm).
  void list(ParameterList& list, const std::string& prefix) const;
};

struct LayerNorm {
  at::Tensor weight, bias;
  double eps = 1e-6;
  LayerNorm() = default;
  LayerNorm(std::int64_t width, double epsilon, at::TensorOptions options);
  at::Tensor operator()(const at::Tensor& x) const;
  void list(ParameterList& list, const std::string& prefix) const;
};

/// LayerNorm (eps 1e-5) + Linear with bias: adapts widths at the ends of a distilled stage
/// (reference/vmoe §2.2). Without the norm: the paper's own form. Names ln, fc.
struct Stitch {
  std::optional<LayerNorm> ln;
  Linear fc;
  Stitch(std::int64_t in, std::int64_t out, bool with_norm, at::TensorOptions options);
  at::Tensor operator()(const at::Tensor& x) const;
  void list(ParameterList& list, const std::string& prefix) const;
};

/// Multi-head self-attention, timm's fused qkv. Scale head_dim^-0.5.
struct Attention {
  Linear qkv, proj;
  std::int64_t heads = 1;
  Attention(std::int64_t width, std::int64_t heads, bool qkv_bias, at::TensorOptions options);
  at::Tensor operator()(const at::Tensor& x) const;  ///< (B, N, C) → (B, N, C)
  at::Tensor class_token(const at::Tensor& x) const;  ///< (B, N, C) → (B, 1, C): row 0 of the above
  void list(ParameterList& list, const std::string& prefix) const;
};

/// Linear, exact GELU, Linear. Names fc1, fc2.
struct Mlp {
  Linear fc1, fc2;
  Mlp(std::int64_t width, std::int64_t hidden, at::TensorOptions options);
  at::Tensor operator()(const at::Tensor& x) const;
  void list(ParameterList& list, const std::string& prefix) const;
};

/// A square grid of tokens behind a class token, resized (bilinear, as image tokens are): (B, 1 +
/// s², C) → (B, count, C) with count = 1 + t². Throws std::logic_error where a grid is not square.
at::Tensor resample_tokens(const at::Tensor& x, std::int64_t count);

/// Stochastic depth of one residual branch: per sample, x / keep · floor(keep + U). The numbers are
/// keyed by (seed, step, layer) and the sample's position in the global batch. No-op outside
/// training or at rate 0.
at::Tensor drop_path(const at::Tensor& branch, double rate, std::uint32_t layer,
                     const ForwardContext& context);

}  // namespace m2mkd
