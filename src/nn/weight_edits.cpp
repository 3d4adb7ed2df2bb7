// What may be changed in given weights so that they fit other data: networks with a class token, a
// square of patches, and a head behind the last norm.

#include "weight_edits.hpp"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/nn/family.hpp>

namespace m2mkd {

StagedTensors::value_type* find_ending(StagedTensors& tensors, const std::string& end) {
  const auto found =
      std::ranges::find_if(tensors, [&](const auto& t) { return t.first.key.ends_with(end); });
  return found == tensors.end() ? nullptr : &*found;
}

at::Tensor resized_grid(const at::Tensor& grid, std::int64_t side) {
  const auto type = grid.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  return at::upsample_bicubic2d(grid.to(type).unsqueeze(0), {side, side}, /*align_corners=*/false)
      .squeeze(0)
      .to(grid.scalar_type());
}

bool replace_head(StagedTensors& tensors, const StagedTensors::value_type& before,
                  const std::string& head, std::int64_t classes, const std::string& rule_of_weight,
                  const std::string& rule_of_bias, EditNotes& notes) {
  const auto stage = before.first.stage;
  const auto like = before.second;
  const StagedName weight{stage, head + ".weight"}, bias{stage, head + ".bias"};
  for (const auto& [name, tensor] : tensors)
    if (name.key == weight.key && tensor.size(0) == classes) return false;
  std::erase_if(
      tensors, [&](const auto& t) { return t.first.key == weight.key || t.first.key == bias.key; });
  tensors.emplace_back(weight, at::zeros({classes, like.numel()}, like.options()));
  tensors.emplace_back(bias, at::zeros({classes}, like.options()));
  notes[weight.text('/')] = "new, " + rule_of_weight;
  notes[bias.text('/')] = "new, " + rule_of_bias;
  return true;
}

void Family::resize_positions(StagedTensors& tensors, std::int64_t image_size,
                              EditNotes& notes) const {
  auto* positions = find_ending(tensors, "pos_embed");
  const auto* patches = find_ending(tensors, "patch_embed.proj.weight");
  if (positions == nullptr || patches == nullptr)
    fail("--image-size: the file holds no position embedding (it has no first stage)");
  auto& table = positions->second;
  if (table.dim() != 3 || table.size(0) != 1 || patches->second.dim() != 4)
    fail("--image-size: pos_embed is not of shape (1, tokens, width)");
  const auto rows = table.size(1) - 1, patch = patches->second.size(2), width = table.size(2);
  const auto side = std::llround(std::sqrt(static_cast<double>(rows)));
  if (rows < 1 || side * side != rows)
    fail("--image-size: pos_embed has {} rows, which are no class token and a square of patches",
         rows + 1);
  if (patch < 1 || image_size % patch != 0)
    throw ConfigError(
        fmt::format("--image-size {}: patches of {} pixels do not divide it", image_size, patch));
  const auto target = image_size / patch;
  if (target == side) return;
  const auto grid = table[0].narrow(0, 1, rows).t().reshape({width, side, side});
  const auto bigger = resized_grid(grid, target).reshape({1, width, target * target});
  table = at::cat({table.narrow(1, 0, 1), bigger.transpose(1, 2)}, 1);
  notes[positions->first.text('/')] =
      fmt::format("resized from {0} x {0} to {1} x {1} patches", side, target);
}

bool Family::replace_head(StagedTensors& tensors, std::int64_t classes, EditNotes& notes) const {
  const auto norm =
      std::ranges::find(tensors, "norm.weight", [](const auto& t) { return t.first.key; });
  if (norm == tensors.end()) fail("--classes: the file holds no head (it has no last stage)");
  return m2mkd::replace_head(tensors, *norm, "head", classes, "N(0, 0.02)", "0", notes);
}

}  // namespace m2mkd
