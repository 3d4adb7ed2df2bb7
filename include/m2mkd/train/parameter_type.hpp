#pragma once
// The element type in which parameters live.

#include <c10/core/ScalarType.h>

#include <m2mkd/train/options.hpp>

namespace m2mkd {

/// Parameters and images: float for fp32 and bf16 (autocast), double for fp64.
inline c10::ScalarType parameter_type(Precision precision) {
  return precision == Precision::fp64 ? c10::ScalarType::Double : c10::ScalarType::Float;
}

}  // namespace m2mkd
