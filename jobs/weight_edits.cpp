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

// Tensors of a NAC, whole or student.
auto find_ending(StagedTensors& tensors, const std::string& end) {
  return std::ranges::find_if(tensors, [&](const auto& t) { return t.first.key.ends_with(end); });
}

// (C, side, side) → (C, target, target). False where the file is no NAC's.
bool resize_grid(StagedTensors& tensors, std::int64_t image_size, EditNotes& notes) {
  const auto grid = find_ending(tensors, "positional_grid.grid"),
             stem = find_ending(tensors, "backbone.downsample_layers.0.0.weight");
  if (grid == tensors.end() || stem == tensors.end()) return false;
  if (grid->second.dim() != 3 || stem->second.dim() != 4)
    fail("--image-size: the grid of positions is not of shape (C, side, side)");
  auto patch = stem->second.size(2);
  for (int level = 1;
       find_ending(tensors, fmt::format("downsample_layers.{}.1.weight", level)) != tensors.end();
       ++level)
    patch *= 2;
  if (patch < 1 || image_size < patch)
    throw ConfigError(fmt::format("--image-size {}: a token covers {} pixels, so none is left",
                                  image_size, patch));
  const auto side = grid->second.size(1), target = image_size / patch;
  if (target == side) return true;
  const auto type = grid->second.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  grid->second = at::upsample_bicubic2d(grid->second.to(type).unsqueeze(0), {target, target},
                                        /*align_corners=*/false)
                     .squeeze(0)
                     .to(grid->second.scalar_type());
  notes[grid->first.text('/')] =
      fmt::format("resized from {0} x {0} to {1} x {1} tokens", side, target);
  return true;
}

}  // namespace

void resize_positions(StagedTensors& tensors, std::int64_t image_size, EditNotes& notes) {
  if (resize_grid(tensors, image_size, notes)) return;
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
  auto before = find_ending(tensors, "output_tokenizer.confidence_scorer.weight");
  const bool nac = before != tensors.end();
  if (!nac)
    before = std::ranges::find(tensors, "norm.weight", [](const auto& t) { return t.first.key; });
  if (before == tensors.end()) fail("--classes: the file holds no head (it has no last stage)");
  const std::string head = nac ? "output_tokenizer.to_logits" : "head";
  const auto weight = head + ".weight", bias = head + ".bias";
  if (const auto* old = find(tensors, weight); old && old->size(0) == classes) return false;
  const auto stage = before->first.stage;
  const auto like = before->second;
  std::erase_if(tensors,
                [&](const auto& t) { return t.first.key == weight || t.first.key == bias; });
  tensors.emplace_back(StagedName{stage, weight},
                       at::zeros({classes, like.numel()}, like.options()));
  tensors.emplace_back(StagedName{stage, bias}, at::zeros({classes}, like.options()));
  notes[StagedName{stage, weight}.text('/')] = nac ? "new, ±1/√width" : "new, N(0, 0.02)";
  notes[StagedName{stage, bias}.text('/')] = nac ? "new, ±1/√width" : "new, 0";
  return true;
}

}  // namespace m2mkd
