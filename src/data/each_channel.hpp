#pragma once
// A loop over channels that is unrolled at every optimisation level.

#include <utility>

namespace m2mkd {

/// f(0), ..., f(C - 1)
template <int C, class F>
void each_channel(F&& f) {
  [&]<int... c>(std::integer_sequence<int, c...>) {
    (f(c), ...);
  }
  (std::make_integer_sequence<int, C>{});
}

}  // namespace m2mkd
