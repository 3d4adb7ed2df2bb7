#pragma once
// Labels and distillation as one loss (paper Eq. 3; reference/vmoe §3).

#include <span>

#include <ATen/core/Tensor.h>

#include <m2mkd/train/options.hpp>

namespace m2mkd {

/// Sums over the samples of one forward; 0-dim tensors.
struct Losses {
  at::Tensor loss;  ///< Σ_b of the weighted loss, differentiable
  at::Tensor ce;    ///< Σ_b cross-entropy, detached
  at::Tensor
      kl;  ///< Σ_b KL(teacher ‖ student) at temperature τ, detached; undefined without teachers
};

/// Mean of the teachers' softened outputs softmax(z/τ): (B, classes). One at least.
at::Tensor soften(std::span<const at::Tensor> teacher_logits, double tau);

/// logits (B, classes); labels (B) int64; soft targets (B, classes) or undefined; teacher
/// probabilities from soften() or undefined.
Losses objective(const at::Tensor& logits, const at::Tensor& labels, const at::Tensor& targets,
                 const at::Tensor& teacher_probabilities, const ObjectiveOptions& options);

}  // namespace m2mkd
