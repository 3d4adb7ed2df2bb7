#include <ATen/ATen.h>
#include <fmt/format.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/nn/chain.hpp>

namespace m2mkd {
namespace {

/// Calls `visit(prefix, stage)` for every stage that is there, the shared tensors last.
template <class F>
void for_each_stage(const Chain& chain, F visit) {
  for (int i = 0; i < chain.size(); ++i)
    if (const auto& stage = chain.stages[static_cast<std::size_t>(i)])
      visit(fmt::format("stages/{}/", i), *stage);
  if (chain.shared) visit(std::string("shared/"), *chain.shared);
}

std::vector<Parameter> collect(const Chain& chain,
                               std::vector<Parameter> (Stage::*tensors)() const) {
  std::vector<Parameter> list;
  for_each_stage(chain, [&](const std::string& prefix, const Stage& stage) {
    for (auto& parameter : (stage.*tensors)()) {
      parameter.name.insert(0, prefix);
      list.push_back(std::move(parameter));
    }
  });
  return list;
}

}  // namespace

at::Tensor Chain::forward(at::Tensor x, const ForwardContext& context, int first, int last) const {
  if (last < 0) last = size();
  require(first >= 0 && first <= last && last <= size(),
          "Chain::forward: the range of stages lies outside of the chain");
  for (int i = first; i < last; ++i) {
    const auto& stage = stages[static_cast<std::size_t>(i)];
    if (!stage)
      throw std::logic_error(fmt::format("Chain::forward: stage {} of {} is absent", i, role));
    x = stage->forward(x, context);
  }
  return x;
}

Chain splice(const Chain& base, int index, StagePtr stage) {
  require(index >= 0 && index < base.size(), "splice: the index lies outside of the chain");
  Chain result = base;
  result.stages[static_cast<std::size_t>(index)] = std::move(stage);
  return result;
}

std::vector<Parameter> parameters(const Chain& chain) {
  return collect(chain, &Stage::parameters);
}

std::vector<Parameter> buffers(const Chain& chain) {
  return collect(chain, &Stage::buffers);
}

NamedTensors state(const Chain& chain) {
  NamedTensors view;
  for_each_stage(chain, [&](const std::string& prefix, const Stage& stage) {
    for (auto& [name, tensor] : stage.state()) view.emplace_back(prefix + name, std::move(tensor));
  });
  return view;
}

std::int64_t parameter_count(const Chain& chain) {
  std::int64_t count = 0;
  for (const auto& parameter : parameters(chain)) count += parameter.tensor.numel();
  return count;
}

void set_trainable(const Stage& stage, bool trainable) {
  for (auto& parameter : stage.parameters()) parameter.tensor.requires_grad_(trainable);
}

}  // namespace m2mkd
