#pragma once
// What this program says of weights in files that have no attributes of their own: texts by name,
// in the metadata of .safetensors and in an entry of a .pth file's archive.

#include <map>
#include <string>

#include <m2mkd/nn/weights.hpp>

namespace m2mkd {

using Metadata = std::map<std::string, std::string>;

/// Blocks per stage, attributes and digest of these weights.
Metadata own_metadata(const NamedTensors& tensors, const std::vector<std::int64_t>& depths,
                      const Attributes& attributes);

/// Takes depths and attributes from it; a single student module of a NAC gets its stage back.
/// Throws Error where the file's tensors are not those that the digest is of.
void take_metadata(const Metadata& metadata, WeightFile& file);

}  // namespace m2mkd
