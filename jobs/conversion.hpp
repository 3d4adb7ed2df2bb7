#pragma once
// Module files (.h5) to .safetensors and back.

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <m2mkd/nn/models.hpp>

#include "tensor_names.hpp"

namespace m2mkd {

struct ConversionRequest {
  std::filesystem::path in, out;
  ModelName model{};
  std::vector<std::int64_t> stages;  ///< blocks per stage; empty: not said
  std::string section = "student";   ///< the model's section among the settings
  std::vector<std::pair<std::string, std::string>> settings;
};

struct ConversionOutcome {
  std::vector<std::string> lines;  ///< one per tensor
  std::string summary;
};

/// Flat names where the file holds a whole network, else stages.<i>.<key>. The file's attributes
/// travel in the metadata.
ConversionOutcome to_safetensors(const ConversionRequest& request);
/// A module file that `init.*` takes; with its attributes of before where it comes from
/// to_safetensors() and nobody changed it.
ConversionOutcome to_h5(const ConversionRequest& request);

}  // namespace m2mkd
