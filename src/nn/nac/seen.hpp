#pragma once
// The sizes of a NAC from its tensors.

#include <m2mkd/nn/seen_model.hpp>

namespace m2mkd {

/// Fills in options (all but depths and heads), image and student modules from the tensors of a
/// whole NAC or of such modules; what the file does not show keeps its default.
void see_nac(const StagedTensors& tensors, SeenModel& seen);

}  // namespace m2mkd
