#pragma once
// The start of a network.

#include <cstdint>

#include <m2mkd/nn/chain.hpp>

namespace m2mkd {

/// Fills every parameter of every stage by its own rule, keyed by (seed, role, name): a stage
/// starts alike alone, in a pack or whole.
void initialise(const Chain& chain, std::uint64_t seed);

}  // namespace m2mkd
