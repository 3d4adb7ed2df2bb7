#include "family.hpp"

#include <cmath>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "shapes.hpp"
#include "stages.hpp"

namespace m2mkd {

std::vector<std::string> VitFamily::problems(const ModelOptions& o, const ImageShape& shape) const {
  if (o.patch >= 1 && shape.size >= o.patch && shape.size % o.patch == 0) return {};
  return {fmt::format("patch = {}: must divide the image side of {} pixels", o.patch, shape.size)};
}

Boundary VitFamily::boundary(const ModelOptions& options, const ImageShape& shape, int) const {
  const auto side = shape.size / options.patch;
  return {options.width, side * side + 1, true};
}

StagePtr VitFamily::stage(const ModelOptions& options, const ImageShape& shape, int index,
                          const Surrounding& around, const StagePtr&,
                          at::TensorOptions tensor) const {
  const auto rule = options.keep_stitches ? options.stitch : StitchRule::never;
  const auto stitch = [&](const Boundary& outer) {
    return Boundary{stitch_width(rule, options.width, outer.width), 0};
  };
  auto o = vit_stage_options(options, shape, index, {stitch(around.in), stitch(around.out)});
  add_experts(o, options);
  return std::make_shared<VitStage>(std::move(o), tensor);
}

StagePtr VitFamily::distill_form(const ModelOptions& options, const ImageShape& shape, int index,
                                 const Surrounding& around, at::TensorOptions tensor) const {
  const auto side = shape.size / options.patch;
  const auto end = [&](const Boundary& outer) {
    const bool other = around.resample && outer.tokens != side * side + 1;
    return Boundary{stitch_width(options.stitch, options.width, outer.width),
                    other ? outer.tokens : 0};
  };
  auto o = vit_stage_options(options, shape, index, {end(around.in), end(around.out)});
  add_experts(o, options);
  return std::make_shared<VitStage>(std::move(o), tensor);
}

std::optional<ModelOptions> VitFamily::dense(const ModelOptions& options) const {
  auto dense = options;
  dense.model = &vit_family();
  dense.keep_stitches = false;
  return dense;
}

void VitFamily::see(const StagedTensors& tensors, SeenModel& seen) const {
  const Shapes shapes(tensors);
  auto& o = seen.options;
  o.width = shapes.get("norm1.weight", 0, 1);
  o.qkv_bias = shapes.find("attn.qkv.bias", 0).has_value();
  const auto hidden = shapes.get("mlp.fc1.weight", 0, shapes.get(".htoh4.weight", 1, 4 * o.width));
  o.mlp_ratio = static_cast<double>(hidden) / static_cast<double>(o.width);
  o.patch = shapes.get("patch_embed.proj.weight", 2, 1);
  const auto patches = shapes.get("pos_embed", 1, 2) - 1;
  seen.image = {
      shapes.get("patch_embed.proj.weight", 1, 1),
      o.patch * std::max<std::int64_t>(1, std::llround(std::sqrt(static_cast<double>(patches)))),
      shapes.get("head.weight", 0, 1)};
  for (const auto& [stage, part] : by_stage(tensors)) {
    const Shapes own(part);
    const auto in = own.find("pre_stitch.fc.weight", 1), out = own.find("post_stitch.fc.weight", 0);
    if (in || out)
      seen.distilled[stage] = {{Boundary{in.value_or(0)}, Boundary{out.value_or(0)}},
                               StitchRule::always};
  }
}

// By the widths that timm and the published Python have (reference/vmoe §2.1, §2.2).
void VitFamily::guess(SeenModel& seen, const Guessing& guessing) const {
  static const std::map<std::int64_t, std::int64_t> standard_heads{
      {192, 3}, {384, 6}, {768, 12}, {1024, 16}, {1280, 16}};
  auto& o = seen.options;
  const auto heads = standard_heads.find(o.width);
  seen.heads_known = guessing.said("heads") || heads != standard_heads.end();
  if (!guessing.said("heads") && seen.heads_known) {
    o.heads = heads->second;
    guessing.note(seen, fmt::format("heads = {}", o.heads));
  }
  if (guessing.said("norm_eps")) return;
  if (o.width == 1280 && !o.qkv_bias) o.norm_eps = 1e-5;
  guessing.note(seen, fmt::format("norm_eps = {}", o.norm_eps));
}

const Family& vit_family() {
  static const VitFamily family;
  return family;
}

}  // namespace m2mkd
