#include <algorithm>
#include <map>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/train/optimizer.hpp>

namespace m2mkd {

bool decays(const Parameter& parameter, const TrainOptions& options) {
  const std::string& name = parameter.name;
  if (options.decay_all) return true;
  if (parameter.tensor.dim() == 1 || name.ends_with(".bias")) return false;
  if (options.decay_embeddings) return true;
  return parameter.tensor.dim() > 0 && !parameter.embedding;
}

AdamW::AdamW(std::vector<Parameter> parameters, const TrainOptions& options)
    : parameters_(std::move(parameters)),
      beta1_(options.beta1),
      beta2_(options.beta2),
      eps_(options.adam_eps) {
  decayed_.weight_decay = options.weight_decay;
  for (const auto& parameter : parameters_) {
    decays_.push_back(decays(parameter, options));
    add(decays_.back() ? decayed_ : plain_, parameter);
  }
}

void AdamW::add(Group& group, const Parameter& parameter) {
  group.parameters.push_back(parameter.tensor);
  group.exp_avg.push_back(at::zeros_like(parameter.tensor, at::MemoryFormat::Contiguous));
  group.exp_avg_sq.push_back(at::zeros_like(parameter.tensor, at::MemoryFormat::Contiguous));
  group.steps.push_back(
      at::zeros({}, parameter.tensor.options().dtype(at::kFloat).requires_grad(false)));
}

void AdamW::step(double lr) {
  const c10::NoGradGuard no_grad;
  ++updates_;
  for (Group* group : {&plain_, &decayed_}) {
    if (group->parameters.empty()) continue;
    std::vector<at::Tensor> gradients;
    for (std::size_t i = 0; i < group->parameters.size(); ++i) {
      gradients.push_back(group->parameters[i].grad());
      group->steps[i].fill_(static_cast<double>(updates_));
    }
    at::_fused_adamw_(group->parameters, gradients, group->exp_avg, group->exp_avg_sq, {},
                      group->steps, lr, beta1_, beta2_, group->weight_decay, eps_,
                      /*amsgrad=*/false, /*maximize=*/false);
  }
}

NamedTensors AdamW::state() const {
  NamedTensors out;
  std::size_t plain = 0, decayed = 0;
  for (std::size_t p = 0; p < parameters_.size(); ++p) {
    const auto& parameter = parameters_[p];
    const bool d = decays_[p];
    const Group& group = d ? decayed_ : plain_;
    const std::size_t i = d ? decayed++ : plain++;
    out.emplace_back("optimizer/" + parameter.name + "/exp_avg", group.exp_avg[i]);
    out.emplace_back("optimizer/" + parameter.name + "/exp_avg_sq", group.exp_avg_sq[i]);
  }
  return out;
}

void AdamW::load(const NamedTensors& tensors, std::int64_t updates) {
  const c10::NoGradGuard no_grad;
  const std::map<std::string, at::Tensor> found(tensors.begin(), tensors.end());
  for (auto& [name, tensor] : state()) {
    const auto it = found.find(name);
    if (it == found.end())
      fail(
          "optimizer state '{}' is missing from the checkpoint: remove the checkpoint to start "
          "anew",
          name);
    at::Tensor(tensor).copy_(it->second);
  }
  updates_ = updates;
}

}  // namespace m2mkd
