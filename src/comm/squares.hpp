#pragma once
// Sum of squares in double, for the norm of gradients.

#include <ATen/core/Tensor.h>

namespace m2mkd {

/// Of a contiguous tensor: 0-dim double on its device. On CPUs one fixed order of additions,
/// whatever the number of threads.
at::Tensor sum_of_squares(const at::Tensor& flat);

}  // namespace m2mkd
