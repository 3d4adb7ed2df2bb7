#pragma once
// Who listens to whom: log affinities from signatures (reference/nac §1.6).

#include <m2mkd/nn/layers.hpp>

#include "memo.hpp"

namespace m2mkd::nac {

struct KernelOptions {
  double truncation = 0;   ///< raw cosine distance beyond which there is no link; 0: none
  double temperature = 0;  ///< of the relaxed Bernoulli samples in training; 0: no sampling
};

/// Logarithm of a relaxed Bernoulli (binary concrete) sample of probability p, as
/// torch.distributions computes it: both numbers clamped by the machine epsilon.
at::Tensor relaxed_log_sample(const at::Tensor& p, const at::Tensor& uniform, double temperature);

class Kernel {
 public:
  Kernel(KernelOptions options, at::TensorOptions tensor);

  /// Log affinity of receivers (U, S) to senders (V, S), up to a constant per row, which the
  /// attention's softmax removes: (U, V), or in training with sampling (batch, U, V). −inf where
  /// cut.
  at::Tensor operator()(const at::Tensor& receivers, const at::Tensor& senders, std::int64_t batch,
                        std::uint32_t layer, const ForwardContext& context) const;
  /// Link probabilities (U, V), 0 where cut.
  at::Tensor links(const at::Tensor& receivers, const at::Tensor& senders) const;
  void list(ParameterList& list, const std::string& prefix) const;

 private:
  at::Tensor log_links(const at::Tensor& receivers, const at::Tensor& senders) const;
  at::Tensor sampled(const at::Tensor& receivers, const at::Tensor& senders, std::int64_t batch,
                     std::uint32_t layer, const ForwardContext& context) const;

  KernelOptions options_;
  at::Tensor bandwidth_;  ///< 0-dim
  Memo affinity_;         ///< of evaluation
};

}  // namespace m2mkd::nac
