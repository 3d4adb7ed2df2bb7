#pragma once
// Files of weights from one form into another: .h5, .safetensors, .pth, .pt.

#include <filesystem>
#include <string>
#include <vector>

#include "foreign_model.hpp"

namespace m2mkd {

struct ConversionOutcome {
  std::vector<std::string> lines;  ///< one per tensor: kept, renamed, resized, new, left out
  std::string summary;
};

/// Reads `request` and writes `out` by its suffix. A module file (.h5) names its tensors by stage;
/// the other kinds have flat names where the network is whole, else stages.<i>.<key>. They carry a
/// module file's attributes and the cut into stages, too (write_weights).
ConversionOutcome convert(const ForeignRequest& request, const std::filesystem::path& out);

}  // namespace m2mkd
