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

at::Tensor soften(std::span<const at::Tensor> teacher_logits, double tau) {
  require(!teacher_logits.empty(), "soften: at least one teacher");
  at::Tensor mean;
  for (const auto& logits : teacher_logits) {
    const at::Tensor p = at::softmax(full_precision(logits) / tau, 1);
    mean = mean.defined() ? mean + p : p;
  }
  return teacher_logits.size() == 1 ? mean : mean / static_cast<double>(teacher_logits.size());
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
  const at::Tensor kl = (at::xlogy(p, p) - p * at::log_softmax(z / options.tau, 1)).sum();
  losses.kl = kl.detach();
  const double weight = options.alpha * options.tau * options.tau /
                        (options.kd_per == KdPer::element ? static_cast<double>(z.size(1)) : 1.0);
  const double ce_weight = options.ce_weight == CeWeight::complement ? 1.0 - options.alpha : 1.0;
  losses.loss = ce_weight * ce + weight * kl;
  return losses;
}

}  // namespace m2mkd
