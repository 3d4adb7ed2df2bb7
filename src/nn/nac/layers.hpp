#pragma once
// The three kinds of layers of a NAC, as the full model and the distill form use them
// (reference/nac §1.5-§1.9, §3.1).

#include "attention.hpp"
#include "sizes.hpp"
#include "tokenizer.hpp"

namespace m2mkd::nac {

struct ReadIn {
  Tokenizer tokenizer;
  ReadInAttention attention;
  ModFfn ffn;

  ReadIn(const ModelOptions& options, const ImageShape& shape, at::TensorOptions tensor);
  /// images, states (B, U, C), codes (U, K) → states (B, U, C).
  at::Tensor operator()(const at::Tensor& images, const at::Tensor& states,
                        const at::Tensor& codes) const;
  /// With so many latents, and `more` work beside it.
  StageCost cost(double latents, const Work& more) const;
};

struct Propagator {
  LatentAttention attention;
  ModFfn ffn;
  double drop_path;
  std::uint32_t layer;  ///< keys the noise

  Propagator(const ModelOptions& options, int index, at::TensorOptions tensor);
  /// The last latents of x (B, V, C), as many as there are receivers, attend to all and pass their
  /// FFN.
  at::Tensor operator()(const at::Tensor& x, std::int64_t receivers,
                        const at::Tensor& receiver_codes, const at::Tensor& sender_codes,
                        const at::Tensor& affinity, const ForwardContext& context) const;
};

struct ReadOut {
  LatentAttention attention;
  ModFfn ffn;
  Linear scorer, to_logits;
  bool gumbel, eval_noise;
  std::uint32_t layer;

  ReadOut(const ModelOptions& options, const ImageShape& shape, at::TensorOptions tensor);
  /// states of the output latents (B, U, C), senders (B, V, C) → states.
  at::Tensor attend(const at::Tensor& states, const at::Tensor& senders,
                    const at::Tensor& receiver_codes, const at::Tensor& sender_codes,
                    const at::Tensor& affinity) const;
  /// (B, U, C) → (B, classes): latents weighted by confidence.
  at::Tensor classify(const at::Tensor& states, const ForwardContext& context) const;
  /// Scorer and classifier. A bias alike for all latents falls out of the softmax over them, and so
  /// does the confidence of a single one.
  void list_tokenizer(ParameterList& list, const std::string& prefix, std::int64_t latents) const {
    list_linear(list, prefix + ".confidence_scorer", scorer, latents == 1, true);
    list_linear(list, prefix + ".to_logits", to_logits);
  }
  Work logits_work() const { return {2 * static_cast<double>(to_logits.weight.numel()), 0}; }
};

/// Attention and FFN of a propagator or a read-out.
template <class Layer>
void list_latent_layer(ParameterList& list, const std::string& prefix, const Layer& layer,
                       const NacOptions& options) {
  layer.attention.list(list, prefix + "latent_attention", options.modulation, options.layer_scale);
  layer.ffn.list(list, prefix + "ffn", options.modulation, options.layer_scale);
}

/// Sizes of the attention of latents to latents.
AttentionSizes latent_sizes(const ModelOptions& options);
/// One attention of latents to latents and its FFN, and `more` work beside them.
StageCost latent_cost(const ModelOptions& options, double receivers, double senders,
                      const Work& more);

}  // namespace m2mkd::nac
