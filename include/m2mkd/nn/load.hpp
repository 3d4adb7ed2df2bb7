#pragma once
// Weights into a network, strictly.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <m2mkd/nn/chain.hpp>

namespace m2mkd {

/// What a strict load did, printed and stored.
struct LoadReport {
  std::vector<std::string> copied, renamed, discarded, fresh;
};

/// Where a tensor of a file goes ("stages/0/norm.weight" → the same, another name, or nothing =
/// discarded).
using AssemblyMap = std::function<std::optional<std::string>(const std::string& name)>;

/// Copies `tensors` into `chain` by `map` (default: same names). Strict: every tensor of the file
/// is used or discarded by the map; every tensor of the chain is filled or accepted by
/// `may_stay_fresh` (default: none). Anything else, and a shape that differs, is an Error that
/// names up to five tensors and `source`.
LoadReport load(const Chain& chain, const NamedTensors& tensors, const std::string& source,
                const AssemblyMap& map = {},
                const std::function<bool(const std::string& name)>& may_stay_fresh = {});

}  // namespace m2mkd
