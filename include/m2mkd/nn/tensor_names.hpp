#pragma once
// Names of a network's tensors: by stage ("stages/1/blocks.0.attn.qkv.weight", blocks counted
// within the stage) and flat, as timm and the published checkpoints have them
// ("blocks.3.attn.qkv.weight", blocks counted through the network). A NAC's names are the published
// ones in both (reference/nac §1.11); of its student modules (§3.5) none tells the stage.

#include <cstdint>
#include <optional>
#include <string>
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

enum class NacPart { none, network, student };
/// What a flat or stage-local name is a part of: the whole NAC, or a module that is distilled.
NacPart nac_part(const std::string& key);

/// 3 of "blocks.3.attn.qkv.weight"; 0 of a NAC's part, each of whose stages counts as one block.
std::optional<std::int64_t> block_of(const std::string& key);

/// Blocks that the stages hold, counted: as many entries as the highest stage needs, 0 where a
/// stage is absent.
std::vector<std::int64_t> blocks_per_stage(const std::vector<StagedName>& names);

/// Input parts (patch_embed, pos_embed, cls_token) belong to the first stage, norm and head to the
/// last, blocks by number. Of a NAC, tokenizer and read-in belong to the first stage, propagator i
/// to stage i + 1, read-out and output tokenizer to the last, latents and their seeder to none
/// (-1).
std::string flat_name(const StagedName& name, const std::vector<std::int64_t>& depths);
/// Throws Error when the block lies beyond the depths, or when the key belongs to no part of a
/// transformer or of a NAC, or to a student module.
StagedName staged_name(const std::string& flat, const std::vector<std::int64_t>& depths);

/// Of a NAC's names, or empty: one block for each propagator and one before and after them.
std::vector<std::int64_t> nac_depths(const std::vector<std::string>& names);

}  // namespace m2mkd
