#pragma once
// Pieces of which families make their edits of given weights.

#include <m2mkd/nn/seen_model.hpp>

namespace m2mkd {

/// The first tensor whose key ends so; null where there is none.
StagedTensors::value_type* find_ending(StagedTensors& tensors, const std::string& end);

/// (C, s, s) → (C, side, side), bicubic, computed in float32 or float64.
at::Tensor resized_grid(const at::Tensor& grid, std::int64_t side);

/// A head `<head>.{weight,bias}` of `classes` rows in the stage of `before`, the tensor in front of
/// it, as wide as that. False where it has so many rows already. The rules by which it will be
/// filled are noted.
bool replace_head(StagedTensors& tensors, const StagedTensors::value_type& before,
                  const std::string& head, std::int64_t classes, const std::string& rule_of_weight,
                  const std::string& rule_of_bias, EditNotes& notes);

}  // namespace m2mkd
