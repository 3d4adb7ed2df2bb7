#pragma once
// Edit distance between names, for "did you mean".

#include <cstddef>
#include <optional>
#include <string_view>

namespace m2mkd {

/// The edit distance (a swap of neighbours counts 1; case and `-` for `_` count nothing) if it is
/// small for words of that length, else nothing.
std::optional<std::size_t> near_miss(std::string_view word, std::string_view candidate);

}  // namespace m2mkd
