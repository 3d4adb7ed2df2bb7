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

/// What the teachers say, averaged over them: softmax(z/τ), or for hard distillation 1 at the most
/// likely class; (B, classes). One teacher at least.
at::Tensor soften(std::span<const at::Tensor> teacher_logits, const ObjectiveOptions& options);

/// Σ_b of the mean squared difference between two stages' outputs (B, N, C), differentiable in the
/// first.
at::Tensor feature_loss(const at::Tensor& student, const at::Tensor& teacher);

/// logits (B, classes); labels (B) int64; soft targets (B, classes) or undefined; teacher
/// probabilities from soften() or undefined.
Losses objective(const at::Tensor& logits, const at::Tensor& labels, const at::Tensor& targets,
                 const at::Tensor& teacher_probabilities, const ObjectiveOptions& options);

}  // namespace m2mkd
