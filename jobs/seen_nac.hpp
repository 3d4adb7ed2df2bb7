#pragma once
// The sizes of a NAC from its tensors.

#include <map>

#include "seen_model.hpp"

namespace m2mkd {

/// Fills in `options` (all but depths and heads) and `image` from the tensors of a whole NAC or of
/// student modules; what the file does not show keeps its default.
void see_nac(const StagedTensors& tensors, SeenModel& seen);

/// The stages that are student modules in their distill form, with the number of their tokens'
/// codes.
std::map<int, std::int64_t> nac_students(const StagedTensors& tensors);

}  // namespace m2mkd
