#pragma once
// The machine's GEMM rate, the limit that training steps are measured against.

#include <c10/core/Device.h>

#include <m2mkd/train/options.hpp>

namespace m2mkd {

/// GFLOP/s of a square matrix product in this precision on this rank: the best of a few, about 0.1
/// s in all.
double gemm_gflops(Precision precision, c10::Device device);

}  // namespace m2mkd
