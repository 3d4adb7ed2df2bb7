#pragma once
// Networks filled by the rule of reference/nac §8: numbers by full state-dict name.

#include <array>
#include <cmath>

#include <m2mkd/nn/family.hpp>
#include <m2mkd/nn/nac.hpp>

#include "nn/fill_rule.hpp"

namespace m2mkd::test {

/// Value of a published tensor `name` by the first rule that fits.
inline at::Tensor nac_values(const std::string& name, at::IntArrayRef shape) {
  const auto ends = [&](const char* end) { return name.ends_with(end); };
  if (ends("codes_") || ends("signatures_") || ends("grid"))
    return filled(name, shape, std::sqrt(3.0));
  if (ends("scale_gain")) return filled(name, shape, 0.05, 0.1);
  if (ends("code_to_state_logvar.bias")) return at::full(shape, -2000.0, at::kDouble);
  if (ends("bandwidth")) return filled(name, shape, 0.1, 1);
  if (shape.size() >= 2) {
    std::int64_t per_row = 1;
    for (std::size_t i = 1; i < shape.size(); ++i) per_row *= shape[i];
    return filled(name, shape, 1 / std::sqrt(static_cast<double>(per_row)));
  }
  if (ends("gamma") || ends("norm.weight") || ends("downsample_layers.0.1.weight") ||
      ends("downsample_layers.1.0.weight"))
    return filled(name, shape, 0.1, 1);
  return filled(name, shape, 0.1);
}

/// The model of the published Tiny-ImageNet configurations, with plain softmax pooling.
inline ModelOptions nac_tiny() {
  ModelOptions o;
  o.model = family("nac");
  o.width = 384;
  o.heads = 6;
  o.patch = 4;
  o.depths.assign(10, 1);
  o.mlp_ratio = 2;
  o.drop_path = 0.1;
  o.own<NacOptions>().pooling = Pooling::softmax;
  return o;
}
inline ModelOptions nac_imagenet() {
  ModelOptions o = nac_tiny();
  o.width = 512;
  o.heads = 8;
  o.mlp_ratio = 1;
  o.own<NacOptions>().input_latents = 192;
  o.own<NacOptions>().mediator_latents = 768;
  o.own<NacOptions>().prior.prior_edges = 6;
  return o;
}
inline const ImageShape kTinyImages{3, 64, 200}, kImageNetImages{3, 224, 1000};

/// The tiny model with other sizes.
inline ModelOptions nac_sized(std::int64_t width, std::int64_t heads, int stages,
                              std::array<std::int64_t, 3> latents, std::int64_t signature,
                              std::int64_t position) {
  ModelOptions o = nac_tiny();
  o.width = width;
  o.heads = heads;
  o.patch = 2;
  o.depths.assign(static_cast<std::size_t>(stages), 1);
  o.own<NacOptions>().input_latents = latents[0];
  o.own<NacOptions>().mediator_latents = latents[1];
  o.own<NacOptions>().output_latents = latents[2];
  o.own<NacOptions>().signature_width = signature;
  o.own<NacOptions>().position_width = position;
  o.own<NacOptions>().tokenizer_depths = {1, 1};
  o.own<NacOptions>().prior.prior_clusters = 2;
  return o;
}
/// That of configs/nac_fashion_mnist.ini.
inline ModelOptions nac_fashion() {
  return nac_sized(64, 4, 6, {16, 32, 16}, 16, 16);
}
inline ModelOptions nac_small() {
  return nac_sized(16, 2, 4, {3, 8, 4}, 6, 4);
}
inline const ImageShape kSmallImages{1, 12, 5};

inline void fill_nac(const Stage& stage) {
  for (const auto& [name, tensor] : stage.state())
    at::Tensor(tensor).copy_(nac_values(name, tensor.sizes()));
}

inline Chain filled_nac(const ModelOptions& options, const ImageShape& shape,
                        at::ScalarType type = at::kDouble) {
  Chain chain = make_chain(options, shape, 0, "student", type);
  for (const auto& stage : chain.stages) fill_nac(*stage);
  fill_nac(*chain.shared);
  return chain;
}

inline at::Tensor nac_input(const std::string& name, at::IntArrayRef shape) {
  return filled(name, shape, std::sqrt(3.0));
}

/// The leaf tensor whose name ends so.
inline at::Tensor leaf(const Chain& chain, const std::string& end) {
  for (const auto& parameter : parameters(chain))
    if (parameter.name.ends_with(end)) return parameter.tensor;
  throw std::logic_error("no parameter ends with " + end);
}

}  // namespace m2mkd::test
