#pragma once
// Names of a NAC's tensors: the published ones, flat and within stages alike (reference/nac §1.11);
// of its student modules (§3.5) none tells the stage.

#include <m2mkd/nn/tensor_names.hpp>

namespace m2mkd {

enum class NacPart { none, network, student };
/// What a flat or stage-local name is a part of: the whole NAC, or a module that is distilled.
NacPart nac_part(const std::string& key);

/// Tokenizer and read-in belong to the first stage, propagator i to stage i + 1, read-out and
/// output tokenizer to the last, latents and their seeder to none (-1). Throws Error when the
/// propagator lies beyond the stages, or the name is none of a whole NAC.
StagedName staged_nac_name(const std::string& name, int stages);

/// Of a NAC's names, or empty: one block for each propagator and one before and after them.
std::vector<std::int64_t> nac_depths(const std::vector<std::string>& names);

}  // namespace m2mkd
