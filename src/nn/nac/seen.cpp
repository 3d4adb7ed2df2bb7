#include "seen.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <m2mkd/nn/nac.hpp>

#include "names.hpp"
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
void see_students(const StagedTensors& tensors, SeenModel& seen) {
  auto& nac = seen.options.own<NacOptions>();
  std::int64_t most = 1;
  for (const auto& [stage, part] : by_stage(tensors)) {
    const bool student = std::ranges::any_of(part, [](const auto& t) {
      return nac_part(t.first.key) == NacPart::student || t.first.key == "codes";
    });
    if (!student) continue;
    std::int64_t tokens = 1;
    for (const auto& [name, tensor] : part) {
      if (name.key == "codes") tokens = rows(tensor);
      if (name.key == "states")
        (stage == 0 ? nac.input_latents : nac.output_latents) = rows(tensor);
    }
    most = std::max(most, tokens);
    const Shapes own(part);
    const auto in = own.find("pre_stitch.weight", 1), out = own.find("post_stitch.weight", 0);
    seen.distilled[stage] = {{Boundary{in.value_or(0), tokens}, Boundary{out.value_or(0), tokens}},
                             in || out ? StitchRule::always : StitchRule::never};
  }
  nac.single_code = most == 1 && !seen.distilled.empty();
}

}  // namespace

void see_nac(const StagedTensors& tensors, SeenModel& seen) {
  const Shapes shapes(tensors);
  auto& o = seen.options;
  auto& nac = o.own<NacOptions>();
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
  see_students(tensors, seen);
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

}  // namespace m2mkd
