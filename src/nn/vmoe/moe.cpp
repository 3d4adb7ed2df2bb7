#include <cmath>

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <fmt/format.h>

#include <m2mkd/nn/moe.hpp>

#include "expert_mlp.hpp"

namespace m2mkd {
namespace {

Initial uniform(double bound) {
  return {Initial::Kind::uniform, bound};
}

/// The type that products of `x` are computed in: autocast's where it is on.
at::ScalarType product_type(const at::Tensor& x) {
  const auto device = x.device().type();
  return at::autocast::is_autocast_enabled(device) ? at::autocast::get_autocast_dtype(device)
                                                   : x.scalar_type();
}

/// Grouped products on a GPU take bf16 and rows of whole 16 bytes; everything else goes expert by
/// expert.
bool grouped(const at::Tensor& x, at::ScalarType type, const MoeOptions& options) {
  return x.is_cuda() && type == at::kBFloat16 && options.width % 8 == 0 && options.hidden % 8 == 0;
}

}  // namespace

Moe::Moe(const MoeOptions& options, at::TensorOptions tensor)
    : options_(options),
      gate_(options.width, options.experts, options.gate_bias, tensor),
      w1_(at::empty({options.experts, options.hidden, options.width}, tensor)),
      b1_(at::empty({options.experts, options.hidden}, tensor)),
      w2_(at::empty({options.experts, options.width, options.hidden}, tensor)),
      b2_(at::empty({options.experts, options.width}, tensor)) {}

at::Tensor balance(const Routed& routed, std::int64_t samples, std::int64_t micro_batch) {
  const auto experts = routed.logits.size(1), tokens = routed.logits.size(0) / samples;
  const auto probability =
      at::softmax(routed.logits.to(at::promote_types(routed.logits.scalar_type(), at::kFloat)), 1);
  const auto chosen =
      at::zeros_like(probability)
          .scatter_(1, routed.choice, 1.0 / static_cast<double>(routed.choice.size(1)));
  const auto size = micro_batch > 0 ? micro_batch : samples;
  at::Tensor sum = at::zeros({}, probability.options());
  for (std::int64_t first = 0; first < samples; first += size) {
    const auto count = std::min(size, samples - first);
    const auto mean = [&](const at::Tensor& of) {
      return of.narrow(0, first * tokens, count * tokens).mean(0);
    };
    sum = sum + (mean(chosen) * mean(probability)).sum() * static_cast<double>(experts * count);
  }
  return sum;
}

at::Tensor Moe::operator()(const at::Tensor& x, Routed* routed) const {
  const auto type = product_type(x);
  const auto gate = gate_(x);
  const auto [logits, choice] = at::topk(gate, options_.top_k, /*dim=*/1);
  const auto score = at::softmax(logits, 1);
  const auto routing = route(choice, options_.experts, !grouped(x, type, options_));
  if (routed)
    *routed = {gate, choice,
               at::diff(routing.ends.to(at::kLong), 1, 0,
                        at::zeros({1}, routing.ends.options().dtype(at::kLong)))};
  const ExpertWeights weights{w1_.to(type), b1_.to(type), w2_.to(type), b2_.to(type)};
  return expert_mlp(x.to(type), score, weights, routing);
}

void Moe::list(ParameterList& list, const std::string& prefix) const {
  const auto width = static_cast<double>(options_.width),
             hidden = static_cast<double>(options_.hidden);
  const Initial zeros{}, in = uniform(1 / std::sqrt(width)), out = uniform(1 / std::sqrt(hidden));
  const Initial tiny = uniform(1 / std::sqrt(width * hidden));
  const bool published = options_.init == ExpertInit::published;
  if (published) {
    gate_.list(list, prefix + ".gate.gate");
  } else {
    list.add(prefix + ".gate.gate.weight", gate_.weight, in);
    if (gate_.bias.defined()) list.add(prefix + ".gate.gate.bias", gate_.bias, in);
  }
  list.add(prefix + ".experts.htoh4.weight", w1_, published ? tiny : in);
  list.add(prefix + ".experts.htoh4.bias", b1_, published ? zeros : in);
  list.add(prefix + ".experts.h4toh.weight", w2_, published ? tiny : out);
  list.add(prefix + ".experts.h4toh.bias", b2_, published ? zeros : out);
}

void Moe::state(NamedTensors& out, const std::string& prefix) const {
  out.emplace_back(prefix + ".gate.gate.weight", gate_.weight.detach());
  if (gate_.bias.defined()) out.emplace_back(prefix + ".gate.gate.bias", gate_.bias.detach());
  for (std::int64_t e = 0; e < options_.experts; ++e) {
    const auto add = [&](const char* name, const at::Tensor& stacked) {
      out.emplace_back(fmt::format("{}.experts.{}.{}", prefix, e, name),
                       stacked.detach().narrow(0, e, 1));
    };
    add("htoh4.weight", w1_);
    add("htoh4.bias", b1_);
    add("h4toh.weight", w2_);
    add("h4toh.bias", b2_);
  }
}

}  // namespace m2mkd
