#include <ATen/ATen.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/train/objective.hpp>

namespace m2mkd {

namespace {

// Losses are computed in fp32 at least (published: log-softmax and KL in fp32 under mixed
// precision).
at::Tensor full_precision(const at::Tensor& x) {
  return x.scalar_type() == at::kDouble ? x : x.to(at::kFloat);
}

}  // namespace

at::Tensor soften(std::span<const at::Tensor> teacher_logits, const ObjectiveOptions& options) {
  require(!teacher_logits.empty(), "soften: at least one teacher");
  at::Tensor mean;
  for (const auto& logits : teacher_logits) {
    const at::Tensor z = full_precision(logits);
    const at::Tensor p = options.kd_type == KdType::hard
                             ? at::one_hot(z.argmax(1), z.size(1)).to(z.scalar_type())
                             : at::softmax(z / options.tau, 1);
    mean = mean.defined() ? mean + p : p;
  }
  return teacher_logits.size() == 1 ? mean : mean / static_cast<double>(teacher_logits.size());
}

at::Tensor feature_loss(const at::Tensor& student, const at::Tensor& teacher) {
  return (full_precision(student) - full_precision(teacher)).square().flatten(1).mean(1).sum();
}

Losses objective(const at::Tensor& logits, const at::Tensor& labels, const at::Tensor& targets,
                 const at::Tensor& teacher_probabilities, const ObjectiveOptions& options) {
  const at::Tensor z = full_precision(logits);
  Losses losses;
  const at::Tensor ce = targets.defined()
                            ? -(targets * at::log_softmax(z, 1)).sum()
                            : at::nll_loss(at::log_softmax(z, 1), labels, {}, at::Reduction::Sum);
  losses.ce = ce.detach();
  if (!teacher_probabilities.defined() || options.alpha == 0.0) {
    losses.loss = ce;
    return losses;
  }
  // p log p − p log q by xlogy: a probability that underflowed to 0 counts 0.
  const at::Tensor& p = teacher_probabilities;
  // Of a hard target it is the cross-entropy; temperature and division by classes are the soft
  // form's alone (reference/vmoe §3).
  const bool soft = options.kd_type == KdType::soft;
  const double tau = soft ? options.tau : 1.0;
  const at::Tensor kl = (at::xlogy(p, p) - p * at::log_softmax(z / tau, 1)).sum();
  losses.kl = kl.detach();
  const double parts =
      soft && options.kd_per == KdPer::element ? static_cast<double>(z.size(1)) : 1.0;
  const double weight = options.alpha * tau * tau / parts;
  const double ce_weight = options.ce_weight == CeWeight::complement ? 1.0 - options.alpha : 1.0;
  losses.loss = ce_weight * ce + weight * kl;
  return losses;
}

}  // namespace m2mkd
