#include "shared.hpp"

#include <ATen/ATen.h>

#include <m2mkd/base/error.hpp>

#include "noise.hpp"

namespace m2mkd::nac {

Shared::Shared(const ModelOptions& o, at::TensorOptions tensor)
    : code_noise_(o.own<NacOptions>().code_noise), eval_noise_(o.own<NacOptions>().eval_noise) {
  const Sizes sizes(o, {});
  const std::int64_t counts[]{sizes.inputs, sizes.mediators, sizes.outputs}, code = sizes.code;
  for (const Group group : {inputs, mediators, outputs}) {
    codes_[group] = at::empty({counts[group], code}, tensor);
    signatures_[group] = at::empty({counts[group], o.own<NacOptions>().signature_width}, tensor);
  }
  norm_ = LayerNorm(code, 1e-5, tensor);
  mean_ = Linear(code, o.width, true, tensor);
  log_variance_ = Linear(code, o.width, true, tensor);
}

at::Tensor Shared::seed(Group group, std::int64_t batch, const ForwardContext& context) const {
  const auto codes = noisy_codes(codes_[group], code_noise_, Draw::code, group, context);
  const auto normed = norm_(codes);
  const auto mean = mean_(normed);
  if (!context.training && !eval_noise_)
    return mean.unsqueeze(0).expand({batch, mean.size(0), mean.size(1)});
  const auto deviation = at::exp(0.5 * log_variance_(normed));
  const auto noise = sample_noise(Law::normal, batch, mean.sizes(),
                                  mean.options().requires_grad(false), Draw::state, group, context);
  return at::addcmul(mean, deviation, noise);
}

at::Tensor Shared::forward(const at::Tensor&, const ForwardContext&) const {
  require(false, "the shared tensors of a NAC are no stage to run");
  return {};
}

std::vector<Parameter> Shared::parameters() const {
  const Initial normal{Initial::Kind::normal, 1};
  ParameterList list;
  for (const Group group : {inputs, mediators, outputs}) {
    const std::string prefix = std::string("latent_graphs.0.") + group_names.at(group);
    list.add_embedding(prefix + ".codes_", codes_[group], normal);
    list.add_embedding(prefix + ".signatures_", signatures_[group], normal);
  }
  const std::string seeder = "latent_graphs.0.latent_seeder.";
  norm_.list(list, seeder + "layernorm");
  list_linear(list, seeder + "code_to_state_mu", mean_);
  list_linear(list, seeder + "code_to_state_logvar", log_variance_);
  auto parameters = list.take();
  parameters.back().initial = {Initial::Kind::constant, -5};  // a deviation of 0.082
  return parameters;
}

}  // namespace m2mkd::nac
