#include "assembly.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <m2mkd/nn/load.hpp>
#include <m2mkd/nn/tensor_names.hpp>

namespace m2mkd {
namespace {

constexpr const char* kGrid = "input_tokenizer.positional_grid.grid";
constexpr const char* kGraph = "latent_graphs.0.";

// Key within the full model's stage; nothing: discarded.
std::optional<std::string> full_key(const std::string& key, int stage, int stages) {
  for (const auto* part : {"pre_stitch.", "post_stitch."})
    if (key.starts_with(part)) return std::nullopt;
  for (const auto* buffer : {"codes", "latent_codes", "states"})
    if (key == buffer) return std::nullopt;
  if (stage == 0) return key.starts_with("tokenizer.") ? "input_" + key : kGraph + key;
  if (stage + 1 < stages) return fmt::format("{}propagators.{}.{}", kGraph, stage - 1, key);
  return key.starts_with("tokenizer.") ? "output_" + key
                                       : fmt::format("{}read_out.{}", kGraph, key);
}

// Does this tensor of the full model depend on what differs between the images?
bool lost(const std::string& key, const ImageShape& distilled, const ImageShape& assembled) {
  return (key == kGrid && distilled.size != assembled.size) ||
         (key.starts_with("output_tokenizer.") && distilled.classes != assembled.classes);
}

}  // namespace

AssemblyMap nac_assembly_map(const ModelOptions& options, const ImageShape& distilled,
                             const ImageShape& assembled) {
  return [=, stages = options.stages()](const std::string& name) -> std::optional<std::string> {
    const auto staged = parse_staged(name);
    if (!staged || staged->stage < 0) return name;
    const auto key = full_key(staged->key, staged->stage, stages);
    if (!key || lost(*key, distilled, assembled)) return std::nullopt;
    return StagedName{staged->stage, *key}.text('/');
  };
}

std::function<bool(const std::string&)> fresh_in_nac_assembly(const ImageShape& distilled,
                                                              const ImageShape& assembled) {
  return [=](const std::string& name) {
    const auto staged = parse_staged(name);
    return staged && (staged->stage < 0 || staged->key.ends_with(".kernel.bandwidth") ||
                      lost(staged->key, distilled, assembled));
  };
}

}  // namespace m2mkd
