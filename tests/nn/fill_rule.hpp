#pragma once
// The rule by which reference networks are filled, so that their outputs can be compared without
// exchanging files.
//
// For a tensor of full name S, element k: z = FNV-1a-64(S) + (k + 1) · 0x9E3779B97F4A7C15, through
// splitmix64's finaliser; r = 2 · (z >> 11) · 2^-53 - 1. Weights of LayerNorms 1 + 0.1 r, other
// weights 0.2 r, everything else 0.05 r.

#include <ATen/ATen.h>

#include <m2mkd/nn/stage.hpp>

namespace m2mkd::test {

inline double fill_value(const std::string& name, std::uint64_t element) {
  std::uint64_t z = 0xCBF29CE484222325u;
  for (const unsigned char c : name) z = (z ^ c) * 0x100000001B3u;
  z += (element + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  z ^= z >> 31;
  return 2 * static_cast<double>(z >> 11) * 0x1p-53 - 1;
}

/// Double tensor of offset + scale · r.
inline at::Tensor filled(const std::string& name, at::IntArrayRef shape, double scale = 1,
                         double offset = 0) {
  auto values = at::empty(shape, at::kDouble);
  auto* data = values.data_ptr<double>();
  for (std::int64_t k = 0; k < values.numel(); ++k)
    data[k] = offset + scale * fill_value(name, static_cast<std::uint64_t>(k));
  return values;
}

/// Fills a stage whose tensors are called `prefix` + stage-local published name.
inline void fill_stage(const Stage& stage, const std::string& prefix) {
  for (const auto& [name, tensor] : stage.state()) {
    const bool norm =
        name.find("norm") != std::string::npos || name.find(".ln.") != std::string::npos;
    const bool weight = name.ends_with("weight");
    const auto values = filled(prefix + name, tensor.sizes(), weight ? (norm ? 0.1 : 0.2) : 0.05,
                               weight && norm ? 1.0 : 0.0);
    at::Tensor(tensor).copy_(values);
  }
}

}  // namespace m2mkd::test
