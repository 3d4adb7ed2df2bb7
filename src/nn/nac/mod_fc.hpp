#pragma once
// Layers that a latent's code conditions (reference/nac §1.3, §1.7).

#include <m2mkd/nn/layers.hpp>

namespace m2mkd::nac {

/// y = W (x · s(c)) + b with s(c) = 1 + g · LN0(W_s c); LN0: a layer norm without parameters.
struct ModFc {
  at::Tensor weight, bias;  ///< (out, in), (out) or undefined
  at::Tensor gain;          ///< g, 0-dim
  at::Tensor scale_weight;  ///< (in, K)

  ModFc(std::int64_t in, std::int64_t out, std::int64_t code, bool with_bias,
        at::TensorOptions options);
  /// codes (U, K) → s (U, in): once for a layer, whatever the batch.
  at::Tensor scale(const at::Tensor& codes) const;
  /// x (B, U, in), codes (U, K) or one (1, K) for all → (B, U, out).
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& codes) const;
  void list(ParameterList& list, const std::string& prefix, double modulation) const;
};

/// What a residual branch is multiplied by, per channel.
struct LayerScale {
  at::Tensor gamma;
  LayerScale(std::int64_t width, at::TensorOptions options);
  void list(ParameterList& list, const std::string& prefix, double start) const;
};

/// gamma · ModFC(a · gelu(gate)), (a, gate) = ModFC(LN(x)): (B, U, C) → (B, U, C).
struct ModFfn {
  LayerNorm norm;
  ModFc in, out;
  LayerScale layer_scale;

  ModFfn(std::int64_t width, std::int64_t hidden, std::int64_t code, at::TensorOptions options);
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& codes) const;
  double hidden() const { return static_cast<double>(out.weight.size(1)); }
  void list(ParameterList& list, const std::string& prefix, double modulation,
            double layer_scale_start) const;
};

/// torch's nn.Linear start: ±1/√in for weight and bias.
void list_linear(ParameterList& list, const std::string& prefix, const Linear& linear,
                 bool idle_weight = false, bool idle_bias = false);

}  // namespace m2mkd::nac
