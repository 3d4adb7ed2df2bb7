#pragma once
// The autograd engine's hook on a leaf: called after a backward has added to its .grad().

#include <functional>

#include <ATen/core/Tensor.h>

namespace m2mkd {

/// `call` runs on the thread of the backward: the calling one on CPUs, a device's own thread on
/// CUDA.
void set_gradient_hook(const at::Tensor& parameter, std::function<void()> call);
void clear_gradient_hook(const at::Tensor& parameter);
bool has_gradient_hook(const at::Tensor& parameter);

}  // namespace m2mkd
