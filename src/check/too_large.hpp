#pragma once
// Gates that would need more memory than a rank has.

#include <optional>

#include <m2mkd/check/gates.hpp>

namespace m2mkd {

/// The finding that a gate is skipped because it would need more than `memory` bytes, or nothing.
std::optional<Finding> too_large(const std::string& gate, const std::string& subject, double bytes,
                                 double memory);

}  // namespace m2mkd
