#pragma once
// The two attentions of a NAC.

#include "mod_fc.hpp"
#include "work.hpp"

namespace m2mkd::nac {

/// Sizes of one attention.
struct AttentionSizes {
  std::int64_t width, heads, code;
  std::int64_t senders;  ///< width of what is attended to
};

/// Input latents attend to tokens through keys and values that the RECEIVER's code conditions
/// (reference/nac §1.5). The products with W_k and W_v are folded through the softmax (§7.3): equal
/// to rounding, and nothing of size tokens × latents × width is made.
struct ReadInAttention {
  LayerNorm sender_norm, receiver_norm;
  ModFc query, key, value, exit;
  LayerScale layer_scale;
  std::int64_t heads;

  ReadInAttention(const AttentionSizes& sizes, at::TensorOptions tensor);
  /// states (B, U, C), tokens (B, V, in), codes (U, K) or (1, K) → what is added to the states.
  at::Tensor operator()(const at::Tensor& states, const at::Tensor& tokens,
                        const at::Tensor& codes) const;
  void list(ParameterList& list, const std::string& prefix, double modulation) const;
};

/// Dot-product attention among latents, modulated by log affinities (SKMDPA, reference/nac §1.6).
struct LatentAttention {
  LayerNorm receiver_norm;
  std::optional<LayerNorm> sender_norm;  ///< none: shared with the receivers
  ModFc query, key, value, exit;
  LayerScale layer_scale;
  std::int64_t heads;

  LatentAttention(const AttentionSizes& sizes, bool share_norm, at::TensorOptions tensor);
  /// Normed receivers (B, U, C) and senders (B, V, C) with their codes; affinity (U, V) or (B, U,
  /// V), undefined: all alike → (B, U, C).
  at::Tensor operator()(const at::Tensor& receivers, const at::Tensor& senders,
                        const at::Tensor& receiver_codes, const at::Tensor& sender_codes,
                        const at::Tensor& affinity) const;
  void list(ParameterList& list, const std::string& prefix, double modulation,
            double layer_scale_start) const;
};

/// Forward work of `count` latents over `tokens`, as executed and as published.
Work read_in_work(const AttentionSizes& sizes, double count, double tokens, bool published);
Work latent_work(const AttentionSizes& sizes, double receivers, double senders);
Work ffn_work(double width, double hidden, double count);
/// Elements kept for backward.
double latent_elements(const AttentionSizes& sizes, double receivers, double senders);
double ffn_elements(double width, double hidden, double count);

}  // namespace m2mkd::nac
