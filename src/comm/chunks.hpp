#pragma once
// MPI counts are int: larger buffers are cut into pieces, the same on every rank.

#include <algorithm>
#include <cstdint>

namespace m2mkd {

inline constexpr std::int64_t largest_chunk = std::int64_t{1} << 30;

/// Calls `piece(offset, length)` over [0, count), each length in [1, limit].
template <class F>
void for_chunks(std::int64_t count, F&& piece, std::int64_t limit = largest_chunk) {
  for (std::int64_t offset = 0; offset < count; offset += limit) {
    piece(offset, static_cast<int>(std::min(limit, count - offset)));
  }
}

}  // namespace m2mkd
