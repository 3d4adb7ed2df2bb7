#include "gradient_hooks.hpp"

#include <memory>
#include <utility>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

namespace m2mkd {
namespace {

namespace autograd = torch::autograd;

struct Hook : autograd::PostAccumulateGradHook {
  explicit Hook(std::function<void()> f) : call(std::move(f)) {}
  void operator()(const autograd::Variable&) override { call(); }
  std::function<void()> call;
};

}  // namespace

void set_gradient_hook(const at::Tensor& parameter, std::function<void()> call) {
  autograd::impl::set_post_acc_grad_hooks(parameter, std::make_unique<Hook>(std::move(call)));
}

void clear_gradient_hook(const at::Tensor& parameter) {
  autograd::impl::set_post_acc_grad_hooks(parameter, nullptr);
}

bool has_gradient_hook(const at::Tensor& parameter) {
  return autograd::impl::post_acc_grad_hooks(parameter) != nullptr;
}

}  // namespace m2mkd
