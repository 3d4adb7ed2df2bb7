#pragma once
// Names of a network's tensors: by stage ("stages/1/blocks.0.attn.qkv.weight", blocks counted
// within the stage) and flat, as timm and the published checkpoints have them
// ("blocks.3.attn.qkv.weight", blocks counted through the network; family.hpp).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace m2mkd {

/// More stages than any network has: a larger number in a file from outside is damage.
inline constexpr int kMostStages = 10'000;

struct StagedName {
  int stage = 0;  ///< -1: shared by several stages
  std::string key;
  bool operator==(const StagedName&) const = default;
  /// "stages<mark>1<mark>blocks.0.attn.qkv.weight"; '/' in HDF5 files, '.' in .safetensors.
  std::string text(char mark) const;
};

/// Both marks are understood. Nothing when the name is none of a stage.
std::optional<StagedName> parse_staged(const std::string& name);

/// 3 of "blocks.3.attn.qkv.weight" behind "blocks."; nothing where no number with a dot follows.
std::optional<std::int64_t> number_behind(std::string_view prefix, const std::string& name);

/// "blocks.5.norm1.weight" of "blocks.3.norm1.weight" and 2.
std::string with_block(const std::string& key, std::int64_t shift);

}  // namespace m2mkd
