#include "weight_edits.hpp"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include <m2mkd/base/error.hpp>

namespace m2mkd {

namespace {

at::Tensor* find(StagedTensors& tensors, const std::string& key) {
  const auto found = std::ranges::find(tensors, key, [](const auto& t) { return t.first.key; });
  return found == tensors.end() ? nullptr : &found->second;
}

// (1, 1 + side², C) → (1, 1 + target², C), computed in float32 or float64.
at::Tensor resized(const at::Tensor& positions, std::int64_t side, std::int64_t target) {
  const auto width = positions.size(2);
  const auto type = positions.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const auto grid = positions.narrow(1, 1, side * side)
                        .to(type)
                        .reshape({1, side, side, width})
                        .permute({0, 3, 1, 2});
  const auto bigger = at::upsample_bicubic2d(grid, {target, target}, /*align_corners=*/false);
  const auto rows = bigger.permute({0, 2, 3, 1}).reshape({1, target * target, width});
  return at::cat({positions.narrow(1, 0, 1), rows.to(positions.scalar_type())}, 1);
}

}  // namespace

void resize_positions(StagedTensors& tensors, std::int64_t image_size, EditNotes& notes) {
  auto* positions = find(tensors, "pos_embed");
  const auto* patches = find(tensors, "patch_embed.proj.weight");
  if (positions == nullptr || patches == nullptr)
    fail("--image-size: the file holds no position embedding (it has no first stage)");
  if (positions->dim() != 3 || positions->size(0) != 1 || patches->dim() != 4)
    fail("--image-size: pos_embed is not of shape (1, tokens, width)");
  const auto rows = positions->size(1) - 1, patch = patches->size(2);
  const auto side = std::llround(std::sqrt(static_cast<double>(rows)));
  if (rows < 1 || side * side != rows)
    fail("--image-size: pos_embed has {} rows, which are no class token and a square of patches",
         rows + 1);
  if (patch < 1 || image_size % patch != 0)
    throw ConfigError(
        fmt::format("--image-size {}: patches of {} pixels do not divide it", image_size, patch));
  const auto target = image_size / patch;
  if (target == side) return;
  *positions = resized(*positions, side, target);
  const auto name =
      std::ranges::find(tensors, "pos_embed", [](const auto& t) { return t.first.key; })->first;
  notes[name.text('/')] = fmt::format("resized from {0} x {0} to {1} x {1} patches", side, target);
}

bool replace_head(StagedTensors& tensors, std::int64_t classes, EditNotes& notes) {
  const auto norm =
      std::ranges::find(tensors, "norm.weight", [](const auto& t) { return t.first.key; });
  if (norm == tensors.end()) fail("--classes: the file holds no head (it has no last stage)");
  if (const auto* head = find(tensors, "head.weight"); head && head->size(0) == classes)
    return false;
  const auto stage = norm->first.stage;
  const auto like = norm->second;
  std::erase_if(tensors, [](const auto& t) {
    return t.first.key == "head.weight" || t.first.key == "head.bias";
  });
  tensors.emplace_back(StagedName{stage, "head.weight"},
                       at::zeros({classes, like.numel()}, like.options()));
  tensors.emplace_back(StagedName{stage, "head.bias"}, at::zeros({classes}, like.options()));
  notes[StagedName{stage, "head.weight"}.text('/')] = "new, N(0, 0.02)";
  notes[StagedName{stage, "head.bias"}.text('/')] = "new, 0";
  return true;
}

}  // namespace m2mkd
