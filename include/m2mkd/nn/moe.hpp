#pragma once
// Mixture of experts, dropless: every token goes to its top-k experts, no capacity, no balance loss
// (reference/vmoe §2.2).

#include <m2mkd/config/value.hpp>
#include <m2mkd/nn/layers.hpp>

namespace m2mkd {

enum class ExpertInit { linear, published };
template <>
struct EnumNames<ExpertInit> {
  static constexpr std::array<std::pair<ExpertInit, std::string_view>, 2> names{
      {{ExpertInit::linear, "linear"}, {ExpertInit::published, "published"}}};
};

struct MoeOptions {
  std::int64_t width = 64, hidden = 256;
  std::int64_t experts = 8, top_k = 2;
  ExpertInit init = ExpertInit::linear;  ///< Linear's bounds for gate and experts, or the published
                                         ///< ±1/√(out·in) (gate N(0, 0.02))
};

/// Gate: logits = x Wᵀ + b, the k largest, softmax over those k. Output Σ_k s_k E_{i_k}(x); E =
/// Linear, exact GELU, Linear. Experts are one stacked parameter per matrix; an expert without
/// tokens gets a zero gradient.
class Moe {
 public:
  Moe(const MoeOptions& options, at::TensorOptions tensor);
  /// (T, C) → (T, C). `load`, where not null, gets the tokens per expert (E) int64 added.
  at::Tensor operator()(const at::Tensor& x, at::Tensor* load) const;
  void list(ParameterList& list, const std::string& prefix) const;
  /// Published names: experts.<e>.{htoh4,h4toh}.{weight (1,out,in), bias (1,out)},
  /// gate.gate.{weight,bias}.
  void state(NamedTensors& out, const std::string& prefix) const;

 private:
  MoeOptions options_;
  Linear gate_;
  at::Tensor w1_, b1_, w2_, b2_;  ///< (E, hidden, C), (E, hidden), (E, C, hidden), (E, C)
};

}  // namespace m2mkd
