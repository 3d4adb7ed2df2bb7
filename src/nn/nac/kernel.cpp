#include "kernel.hpp"

#include <limits>

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <c10/core/GradMode.h>

#include <m2mkd/nn/graph_prior.hpp>

#include "noise.hpp"

namespace m2mkd::nac {
namespace {

// Distances decide which links exist: never in half precision.
at::Tensor distances(const at::Tensor& receivers, const at::Tensor& senders) {
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  return cosine_distances(receivers, senders);
}

double machine_epsilon(const at::Tensor& x) {
  return x.scalar_type() == at::kDouble ? std::numeric_limits<double>::epsilon()
                                        : double{std::numeric_limits<float>::epsilon()};
}

double smallest_normal(const at::Tensor& x) {
  return x.scalar_type() == at::kDouble ? std::numeric_limits<double>::min()
                                        : double{std::numeric_limits<float>::min()};
}

// log p − log(1 − p) of numbers that are clamped away from 0 and 1.
at::Tensor log_odds(const at::Tensor& p) {
  const double eps = machine_epsilon(p);
  const auto clamped = p.clamp(eps, 1 - eps);
  return clamped.log() - at::log1p(-clamped);
}

}  // namespace

at::Tensor relaxed_log_sample(const at::Tensor& p, const at::Tensor& uniform, double temperature) {
  const auto z = (log_odds(uniform) + log_odds(p)) / temperature;
  return z.sigmoid().clamp(smallest_normal(z), 1 - machine_epsilon(z)).log();
}

Kernel::Kernel(KernelOptions options, at::TensorOptions tensor)
    : options_(options), bandwidth_(at::empty({}, tensor)) {}

at::Tensor Kernel::log_links(const at::Tensor& receivers, const at::Tensor& senders) const {
  const auto distance = distances(receivers, senders);
  const auto log_link = -distance / bandwidth_;
  if (options_.truncation <= 0) return log_link;
  return log_link.masked_fill(distance.detach() > options_.truncation,
                              -std::numeric_limits<double>::infinity());
}

at::Tensor Kernel::links(const at::Tensor& receivers, const at::Tensor& senders) const {
  return log_links(receivers, senders).exp();
}

// A sample per image of the pairs that truncation leaves; of the others a published sample is e^-30
// of a link.
at::Tensor Kernel::sampled(const at::Tensor& receivers, const at::Tensor& senders,
                           std::int64_t batch, std::uint32_t layer,
                           const ForwardContext& context) const {
  const auto distance = distances(receivers, senders);
  const auto all = at::ones_like(distance, at::kBool);
  const auto kept = (options_.truncation > 0 ? distance.detach() <= options_.truncation : all)
                        .flatten()
                        .nonzero()
                        .squeeze(1);
  const auto link = (-distance.flatten().index_select(0, kept) / bandwidth_).exp();
  const auto noise = sample_noise(Law::uniform, batch, {kept.size(0)},
                                  link.options().requires_grad(false), Draw::links, layer, context);
  const auto sample = relaxed_log_sample(link, noise, options_.temperature);
  return at::full({batch, distance.numel()}, -std::numeric_limits<double>::infinity(),
                  sample.options())
      .index_copy(1, kept, sample)
      .view({batch, distance.size(0), distance.size(1)});
}

at::Tensor Kernel::operator()(const at::Tensor& receivers, const at::Tensor& senders,
                              std::int64_t batch, std::uint32_t layer,
                              const ForwardContext& context) const {
  if (context.training && options_.temperature > 0)
    return sampled(receivers, senders, batch, layer, context);
  if (c10::GradMode::is_enabled()) return log_links(receivers, senders);
  return affinity_.get({receivers, senders, bandwidth_},
                       [&] { return log_links(receivers, senders); });
}

void Kernel::list(ParameterList& list, const std::string& prefix) const {
  list.add(prefix + ".kernel.bandwidth", bandwidth_, {Initial::Kind::constant, 1});
}

}  // namespace m2mkd::nac
