#pragma once
// Mixture of experts, dropless: every token goes to its top-k experts, no capacity, no noise
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
  bool gate_bias = true;
};

/// A V-MoE's own settings.
struct VmoeOptions {
  std::string moe_blocks = "all";  ///< all, odd (every other, from the second), none, or a list of
                                   ///< global block numbers
  std::int64_t experts = 8, top_k = 2;
  ExpertInit expert_init = ExpertInit::linear;
  bool gate_bias = true;    ///< published Python: yes; the paper's formula has none
  double balance_loss = 0;  ///< weight of the experts' load-balance term; published: none
};

/// How tokens were routed.
struct Routed {
  at::Tensor logits;  ///< (T, E) of the gate
  at::Tensor choice;  ///< (T, k) int64
  at::Tensor load;    ///< (E) int64, tokens per expert
};

/// Load balance of a forward as a sum over its samples (Switch Transformer, eq. 4): per micro-batch
/// E · Σ_e f_e P_e, f the share of choices and P the mean gate probability of expert e, times its
/// samples. 1 per sample where all is even. T = samples · tokens per sample.
at::Tensor balance(const Routed& routed, std::int64_t samples, std::int64_t micro_batch);

/// Gate: logits = x Wᵀ + b, the k largest, softmax over those k. Output Σ_k s_k E_{i_k}(x); E =
/// Linear, exact GELU, Linear. Experts are one stacked parameter per matrix; an expert without
/// tokens gets a zero gradient.
class Moe {
 public:
  Moe(const MoeOptions& options, at::TensorOptions tensor);
  /// (T, C) → (T, C). `routed` is filled where not null.
  at::Tensor operator()(const at::Tensor& x, Routed* routed) const;
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
