#include "seen_nac.hpp"

#include <ATen/ATen.h>

#include "shapes.hpp"

namespace m2mkd {

namespace {

// ConvNeXt blocks per level: "...backbone.stages.<level>.<block>.gamma".
std::vector<std::int64_t> tokenizer_depths(const Shapes& shapes) {
  std::vector<std::int64_t> depths;
  const auto has = [&](std::size_t level, std::int64_t block) {
    return shapes.find(fmt::format("backbone.stages.{}.{}.gamma", level, block), 0).has_value();
  };
  for (std::size_t level = 0; has(level, 0); ++level) {
    depths.push_back(1);
    while (has(level, depths.back())) ++depths.back();
  }
  return depths;
}

std::int64_t rows(const at::Tensor& tensor) {
  return tensor.dim() > 0 ? std::max<std::int64_t>(1, tensor.size(0)) : 1;
}

// A student's random tensors; published files have none, which were of one code and one state.
void see_students(const StagedTensors& tensors, NacOptions& nac) {
  std::int64_t most = 1;
  for (const auto& [name, tensor] : tensors) {
    if (name.key == "codes") most = std::max(most, rows(tensor));
    if (name.key == "states")
      (name.stage == 0 ? nac.input_latents : nac.output_latents) = rows(tensor);
  }
  nac.single_code = most == 1 && !nac_students(tensors).empty();
}

}  // namespace

void see_nac(const StagedTensors& tensors, SeenModel& seen) {
  const Shapes shapes(tensors);
  auto& o = seen.options;
  auto& nac = o.nac;
  o.width = shapes.get("receiver_layernorm.weight", 0, shapes.get("state_mu.weight", 0, 1));
  const auto hidden = shapes.get("ffn.ffn.2.native_weight", 1, o.width);
  o.mlp_ratio = static_cast<double>(hidden) / static_cast<double>(o.width);
  const auto code = shapes.get("query_compiler.scale.weight", 1, shapes.get("codes_", 1, o.width));
  nac.code_width = code == o.width ? 0 : code;
  nac.input_latents = shapes.get("input_latents.codes_", 0, nac.input_latents);
  nac.mediator_latents = shapes.get("mediator_latents.codes_", 0, nac.mediator_latents);
  nac.output_latents = shapes.get("output_latents.codes_", 0, nac.output_latents);
  nac.signature_width = shapes.get("signatures_", 1, nac.signature_width);
  nac.position_width = shapes.get("positional_grid.grid", 0, nac.position_width);
  see_students(tensors, nac);
  if (auto depths = tokenizer_depths(shapes); !depths.empty()) nac.tokenizer_depths = depths;
  const std::string stem = "downsample_layers.0.0.weight";
  o.patch = shapes.get(stem, 2, 4);
  auto side = o.patch * shapes.get("positional_grid.grid", 1, 1);
  seen.image_sides = o.patch;
  for (std::size_t level = 1; level < nac.tokenizer_depths.size(); ++level) {
    side *= 2;
    seen.image_sides *= 2;
  }
  seen.image = {shapes.get(stem, 1, 1), side, shapes.get("to_logits.weight", 0, 1)};
}

std::map<int, std::int64_t> nac_students(const StagedTensors& tensors) {
  std::map<int, std::int64_t> stages;
  for (const auto& [name, tensor] : tensors) {
    if (nac_part(name.key) == NacPart::student) stages.emplace(name.stage, 1);
    if (name.key == "codes") stages[name.stage] = rows(tensor);
  }
  return stages;
}

}  // namespace m2mkd
