#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <m2mkd/nn/models.hpp>

#include "nac/assembly.hpp"
#include "vit_models.hpp"

namespace m2mkd {
namespace {

std::string depths_complaint(const std::vector<std::int64_t>& depths) {
  if (depths.empty()) return "needs one number of blocks per stage";
  if (*std::min_element(depths.begin(), depths.end()) < 1)
    return "every stage needs at least one block";
  return {};
}

std::string rate_complaint(const double& rate) {
  return rate >= 0 && rate < 1 ? std::string() : "must be from 0 to below 1";
}

std::string positive_complaint(const double& value) {
  return value > 0 ? std::string() : "must be positive";
}

}  // namespace

Keys<ModelOptions> ModelOptions::keys() {
  using O = ModelOptions;
  const auto positive = at_least<std::int64_t>(1);
  Keys<O> k;
  k.add("model", &O::model,
        "vit: dense (DeiT); vmoe: blocks with experts (V-MoE); nac: Neural Attentive Circuits");
  k.add("width", &O::width, "width of a token", positive);
  k.add("heads", &O::heads, "attention heads", positive);
  k.add("patch", &O::patch, "side of a patch in pixels; nac: stride of the stem", positive);
  k.add<std::vector<std::int64_t>>("depths", &O::depths,
                                   "blocks per stage; their number is the number of stages (nac: "
                                   "ones: read-in, propagators, read-out)",
                                   depths_complaint);
  k.add<double>("mlp_ratio", &O::mlp_ratio, "hidden width of MLPs, experts and FFNs over the width",
                positive_complaint);
  k.add("qkv_bias", &O::qkv_bias, "bias of the attention's input product");
  k.add<double>("norm_eps", &O::norm_eps, "epsilon of the layer norms", positive_complaint);
  k.add<double>("drop_path", &O::drop_path,
                "stochastic depth of the last block, linear from 0 at the first (nac: of every "
                "propagator)",
                rate_complaint);
  k.add("moe_blocks", &O::moe_blocks,
        "vmoe: blocks with experts: all, odd (every other), none, or block numbers");
  k.add("experts", &O::experts, "vmoe: experts per mixture", positive);
  k.add("top_k", &O::top_k, "vmoe: experts that each token goes to", positive);
  k.add("expert_init", &O::expert_init,
        "vmoe: start of experts and gate: Linear's bounds, or the published ones");
  k.add("gate_bias", &O::gate_bias, "vmoe: bias of the gate (published Python; not in the paper)");
  k.add<double>("balance_loss", &O::balance_loss,
                "vmoe: weight of a load-balance term in the loss (Switch Transformer); 0: none, as "
                "published",
                at_least(0.0));
  k.add("stitch", &O::stitch,
        "stitches of a distilled stage: auto (where widths differ), always, never");
  k.add("keep_stitches", &O::keep_stitches,
        "the assembled model keeps the stitches between its stages");
  k.add("stitch_norm", &O::stitch_norm,
        "LayerNorm in stitches (published Python); false: the paper's Linear alone (as in a NAC)");
  k.include(&O::nac, NacOptions::keys());
  return k;
}

bool leaves_no_trace(ModelName model, const std::string& key) {
  const auto is_one_of = [&](const std::vector<std::string>& keys) {
    return std::ranges::count(keys, key) > 0;
  };
  if (key == "top_k") return model == ModelName::vmoe;
  if (is_one_of({"heads", "norm_eps"})) return true;
  return model == ModelName::nac && is_one_of(nac_keys()) &&
         !is_one_of({"input_latents", "mediator_latents", "output_latents", "code_width",
                     "signature_width", "position_width", "tokenizer_depths"});
}

std::vector<std::string> check(const ModelOptions& options, const ImageShape& shape,
                               const std::string& section) {
  std::vector<std::string> problems;
  const auto complain = [&](const std::string& text) { problems.push_back(section + "." + text); };
  if (const auto text = depths_complaint(options.depths); !text.empty()) {
    complain("depths: " + text);
    return problems;  // nothing below makes sense without blocks
  }
  if (options.width < 1 || options.heads < 1 || options.width % options.heads != 0)
    complain(fmt::format("heads = {}: must divide {}.width = {} (each head gets width / heads)",
                         options.heads, section, options.width));
  const bool nac = options.model == ModelName::nac;
  if (!nac && (options.patch < 1 || shape.size < options.patch || shape.size % options.patch != 0))
    complain(fmt::format("patch = {}: must divide the image side of {} pixels", options.patch,
                         shape.size));
  if (std::llround(options.mlp_ratio * static_cast<double>(options.width)) < 1)
    complain(fmt::format("mlp_ratio = {}: leaves no hidden width", options.mlp_ratio));
  if (nac)
    for (const auto& problem : check_nac(options, shape)) complain(problem);
  if (options.model == ModelName::vmoe) {
    if (options.top_k < 1 || options.top_k > options.experts)
      complain(fmt::format("top_k = {}: must be from 1 to {}.experts = {}", options.top_k, section,
                           options.experts));
    try {
      moe_blocks(options);
    } catch (const std::invalid_argument& e) {
      complain(fmt::format("moe_blocks = {}: {}", options.moe_blocks, e.what()));
    }
  }
  return problems;
}

std::int64_t tokens(const ModelOptions& options, const ImageShape& shape) {
  if (options.model == ModelName::nac)
    return options.nac.input_latents + options.nac.mediator_latents;
  const auto side = shape.size / options.patch;
  return side * side + 1;
}

StagePtr make_shared_tensors(const ModelOptions& options, at::TensorOptions tensor) {
  return options.model == ModelName::nac ? make_nac_shared(options, tensor) : nullptr;
}

StagePtr make_stage(const ModelOptions& options, const ImageShape& shape, int index,
                    std::int64_t outer_width, at::TensorOptions tensor, const StagePtr& shared) {
  if (options.model == ModelName::nac) return make_nac_stage(options, shape, index, shared, tensor);
  const auto stitch = options.keep_stitches ? stitch_width(options, outer_width) : 0;
  return make_vit_stage(options, shape, index, {stitch}, tensor);
}

StagePtr make_distill_form(const ModelOptions& options, const ImageShape& shape, int index,
                           Surrounding around, at::TensorOptions tensor) {
  if (options.model == ModelName::nac)
    return make_nac_distill_form(options, shape, index, around, tensor);
  const bool other = around.resample && around.tokens != tokens(options, shape);
  return make_vit_stage(options, shape, index,
                        {stitch_width(options, around.width), other ? around.tokens : 0}, tensor);
}

Chain make_chain(const ModelOptions& options, const ImageShape& shape, std::int64_t outer_width,
                 const std::string& role, at::TensorOptions tensor, int only_stage) {
  Chain chain{role, std::vector<StagePtr>(static_cast<std::size_t>(options.stages())),
              make_shared_tensors(options, tensor)};
  for (int i = 0; i < options.stages(); ++i)
    if (only_stage < 0 || i == only_stage)
      chain.stages[static_cast<std::size_t>(i)] =
          make_stage(options, shape, i, outer_width, tensor, chain.shared);
  return chain;
}

AssemblyMap assembly_map(const ModelOptions& options, const ImageShape& distilled,
                         const ImageShape& assembled) {
  if (options.model == ModelName::nac) return nac_assembly_map(options, distilled, assembled);
  return [keep = options.keep_stitches](const std::string& name) -> std::optional<std::string> {
    const bool stitch = name.find(".pre_stitch.") != std::string::npos ||
                        name.find(".post_stitch.") != std::string::npos;
    if (stitch && !keep) return std::nullopt;
    return name;
  };
}

NamedTensors upcycle(const NamedTensors& dense, const ModelOptions& options) {
  const auto moe = moe_blocks(options);
  NamedTensors result;
  for (const auto& [name, tensor] : dense) {
    // "stages/<i>/blocks.<j>.mlp.<fc1|fc2>.<weight|bias>"
    int stage = 0, block = 0;
    char layer = 0;
    int end = 0;
    const bool mlp = std::sscanf(name.c_str(), "stages/%d/blocks.%d.mlp.fc%c.%n", &stage, &block,
                                 &layer, &end) == 3 &&
                     end > 0;
    const auto global =
        mlp ? std::accumulate(options.depths.begin(), options.depths.begin() + stage,
                              static_cast<std::int64_t>(block))
            : 0;
    if (!mlp || !moe.at(static_cast<std::size_t>(global))) {
      result.emplace_back(name, tensor);
      continue;
    }
    for (std::int64_t e = 0; e < options.experts; ++e)
      result.emplace_back(fmt::format("stages/{}/blocks.{}.moe.experts.{}.{}.{}", stage, block, e,
                                      layer == '1' ? "htoh4" : "h4toh", name.substr(end)),
                          tensor.unsqueeze(0));
  }
  return result;
}

bool fresh_in_upcycling(const std::string& name) {
  return name.find(".moe.gate.") != std::string::npos;
}

std::function<bool(const std::string&)> fresh_in_assembly(const ModelOptions& options,
                                                          const ImageShape& distilled,
                                                          const ImageShape& assembled) {
  if (options.model == ModelName::nac) return fresh_in_nac_assembly(distilled, assembled);
  return [](const std::string&) { return false; };
}

}  // namespace m2mkd
