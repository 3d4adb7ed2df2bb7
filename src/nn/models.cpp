#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/nn/family.hpp>
#include <m2mkd/nn/load.hpp>

namespace m2mkd {
namespace {

Check<std::vector<std::int64_t>> depths_range() {
  return each_within<std::int64_t>(1, 1000, 1);
}

// Before anything is built: attention and one MLP per block are a lower bound of the parameters.
std::string size_complaint(const ModelOptions& options) {
  constexpr double most_blocks = 10000, most_parameters = 1e13;
  double blocks = 0;
  for (const auto depth : options.depths) blocks += static_cast<double>(depth);
  const double width = static_cast<double>(options.width);
  const double parameters = blocks * width * width * (4 + 2 * options.mlp_ratio);
  if (blocks > most_blocks)
    return fmt::format("depths: {:.0f} blocks in all, more than {:.0f}", blocks, most_blocks);
  if (parameters > most_parameters)
    return fmt::format(
        "width = {} with {:.0f} blocks: more than {:.2g} parameters, {:.2g} GB in fp32, which no "
        "machine holds",
        options.width, blocks, parameters, parameters * 4e-9);
  return {};
}

}  // namespace

Keys<ModelOptions> ModelOptions::common_keys() {
  using O = ModelOptions;
  Keys<O> k;
  std::string known;
  for (const auto* family : families())
    known += (known.empty() ? "" : "; ") + family->name() + ": " + family->about();
  k.add("model", &O::model, known);
  k.add("width", &O::width, "width of a token", within<std::int64_t>(1, 65536));
  k.add("heads", &O::heads, "attention heads", within<std::int64_t>(1, 1024));
  k.add("patch", &O::patch, "side of a patch in pixels; nac: stride of the stem",
        within<std::int64_t>(1, 1024));
  k.add<std::vector<std::int64_t>>("depths", &O::depths,
                                   "blocks per stage; their number is the number of stages (nac: "
                                   "ones: read-in, propagators, read-out)",
                                   depths_range());
  k.add<double>("mlp_ratio", &O::mlp_ratio, "hidden width of MLPs, experts and FFNs over the width",
                within(0.01, 100.0));
  k.add("qkv_bias", &O::qkv_bias, "bias of the attention's input product");
  k.add<double>("norm_eps", &O::norm_eps, "epsilon of the layer norms", within(1e-12, 0.1));
  k.add<double>("drop_path", &O::drop_path,
                "stochastic depth of the last block, linear from 0 at the first (nac: of every "
                "propagator)",
                below(0.0, 1.0));
  k.add("stitch", &O::stitch,
        "stitches of a distilled stage: auto (where widths differ), always, never");
  k.add("keep_stitches", &O::keep_stitches,
        "the assembled model keeps the stitches between its stages");
  k.add("stitch_norm", &O::stitch_norm,
        "LayerNorm in stitches (published Python); false: the paper's Linear alone (as in a NAC)");
  return k;
}

Keys<ModelOptions> ModelOptions::keys() {
  auto all = common_keys();
  for (const auto* family : families()) {
    const auto own = family->keys();
    for (const auto& key : own.keys()) all.take(key);
  }
  return all;
}

template <>
const Family* parse_value<const Family*>(std::string_view text) {
  return family(text);
}

template <>
std::string print_value<const Family*>(const Family* const& value) {
  return value->name();
}

template <>
std::string value_type<const Family*>() {
  std::string text = "one of:";
  for (const auto* family : families()) text += " " + family->name();
  return text;
}

std::vector<std::string> model_problems(const ModelOptions& options, const ImageShape& shape,
                                        const std::string& section) {
  std::vector<std::string> problems;
  const auto complain = [&](const std::string& text) { problems.push_back(section + "." + text); };
  if (const auto text = depths_range()(options.depths); !text.empty()) {
    complain("depths: " + text);
    return problems;  // nothing below makes sense without blocks
  }
  if (const auto text = size_complaint(options); !text.empty()) {
    complain(text);
    return problems;  // it is not built to look further
  }
  if (options.model->depends_on("heads", false) &&
      (options.width < 1 || options.heads < 1 || options.width % options.heads != 0))
    complain(fmt::format("heads = {}: must divide {}.width = {} (each head gets width / heads)",
                         options.heads, section, options.width));
  for (const auto& problem : options.model->problems(options, shape)) complain(problem);
  if (std::llround(options.mlp_ratio * static_cast<double>(options.width)) < 1)
    complain(fmt::format("mlp_ratio = {}: leaves no hidden width", options.mlp_ratio));
  return problems;
}

Boundary boundary(const ModelOptions& options, const ImageShape& shape, int cut) {
  require(cut > 0 && cut < options.stages(), "boundary: there is no cut of this number");
  return options.model->boundary(options, shape, cut);
}

Outside::Outside(const ModelOptions& options, const ImageShape& shape) {
  cuts_.push_back({});
  for (int cut = 1; cut < options.stages(); ++cut) cuts_.push_back(boundary(options, shape, cut));
  cuts_.push_back({});
}

Surrounding Outside::around(int stage, bool resample) const {
  if (cuts_.empty()) return {everywhere_, 0, resample};
  const auto at = [&](int cut) {
    const auto i = static_cast<std::size_t>(cut);
    return i < cuts_.size() ? cuts_[i] : Boundary{};
  };
  return {at(stage), at(stage + 1), resample};
}

std::int64_t stitch_width(StitchRule rule, std::int64_t own, std::int64_t outer) {
  const bool none = rule == StitchRule::never || (rule == StitchRule::automatic && own == outer);
  return none ? 0 : outer;
}

StagePtr make_shared_tensors(const ModelOptions& options, at::TensorOptions tensor) {
  return options.model->shared_tensors(options, tensor);
}

StagePtr make_stage(const ModelOptions& options, const ImageShape& shape, int index,
                    const Surrounding& around, at::TensorOptions tensor, const StagePtr& shared) {
  require(index >= 0 && index < options.stages(),
          "make_stage: the model has no stage of this index");
  return options.model->stage(options, shape, index, around, shared, tensor);
}

StagePtr make_distill_form(const ModelOptions& options, const ImageShape& shape, int index,
                           const Surrounding& around, at::TensorOptions tensor) {
  require(index >= 0 && index < options.stages(),
          "make_distill_form: the model has no stage of this index");
  return options.model->distill_form(options, shape, index, around, tensor);
}

Chain make_chain(const ModelOptions& options, const ImageShape& shape, const Outside& outside,
                 const std::string& role, at::TensorOptions tensor, int only_stage) {
  Chain chain{role, std::vector<StagePtr>(static_cast<std::size_t>(options.stages())),
              make_shared_tensors(options, tensor)};
  for (int i = 0; i < options.stages(); ++i)
    if (only_stage < 0 || i == only_stage)
      chain.stages[static_cast<std::size_t>(i)] =
          make_stage(options, shape, i, outside.around(i), tensor, chain.shared);
  return chain;
}

AssemblyMap assembly_map(const ModelOptions& options, const ImageShape& distilled,
                         const ImageShape& assembled) {
  return options.model->assembly_map(options, distilled, assembled);
}

std::function<bool(const std::string&)> fresh_in_assembly(const ModelOptions& options,
                                                          const ImageShape& distilled,
                                                          const ImageShape& assembled) {
  return options.model->fresh_in_assembly(distilled, assembled);
}

}  // namespace m2mkd
