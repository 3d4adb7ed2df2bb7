#include <algorithm>
#include <set>

#include <ATen/ATen.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/config/value.hpp>
#include <m2mkd/nn/family.hpp>
#include <m2mkd/nn/weights.hpp>
#include <m2mkd/store/attribute_text.hpp>
#include <m2mkd/store/safetensors.hpp>

#include "own_metadata.hpp"
#include "state_dict.hpp"

namespace m2mkd {
namespace {

using Path = std::filesystem::path;

bool is_weight(const std::string& name) {
  return parse_staged(name).has_value();
}

WeightFile read_module(const Path& path) {
  WeightFile file;
  auto contents = read_tensor_file(path, is_weight);
  for (const auto& info : list_tensors(path))
    if (!is_weight(info.name)) file.left_out.push_back(info.name + " (no weight)");
  file.tensors = std::move(contents.tensors);
  file.attributes = std::move(contents.attributes);
  file.digest = text_attribute(file.attributes, "digest");
  return file;
}

WeightFile read_exchange(const Path& path) {
  WeightFile file;
  auto contents = read_safetensors(path);
  file.tensors = std::move(contents.tensors);
  take_metadata(contents.metadata, file);
  return file;
}

WeightFile read_torch(const Path& path) {
  const TorchFile file(path);
  auto weights = find_weights(file);
  Metadata metadata;
  for (const auto& [name, value] : attributes_from_text(file.note()))
    if (const auto* text = std::get_if<std::string>(&value)) metadata[name] = *text;
  if (!metadata.empty()) take_metadata(metadata, weights);
  return weights;
}

WeightFile read_other(const Path& path) {
  try {
    return path.extension() == ".safetensors" ? read_exchange(path) : read_torch(path);
  } catch (const Error& problem) {
    if (std::string_view(problem.what()).find(path.string()) != std::string_view::npos) throw;
    fail("'{}': {}", path.string(), problem.what());
  }
}

StagedTensors renumbered(const WeightFile& file, int stage, const std::string& source) {
  StagedTensors tensors;
  std::set<int> numbers;
  for (const auto& [name, tensor] : file.tensors) {
    const auto staged = parse_staged(name);
    const bool shared = staged && staged->stage < 0;
    if (!shared) numbers.insert(staged ? staged->stage : -1);
    tensors.emplace_back(shared ? *staged : StagedName{stage, staged ? staged->key : name}, tensor);
  }
  if (numbers.size() > 1)
    throw ConfigError(
        fmt::format("'{}' holds {} stages: --stage is for a file of one", source, numbers.size()));
  return tensors;
}

// Blocks per stage as the names tell them, or empty.
std::vector<std::int64_t> told_depths(const Family& family, const WeightFile& file,
                                      const std::vector<std::int64_t>& depths,
                                      const std::string& source) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : file.tensors) {
    names.push_back(name);
    if (!family.tells_stage(name))
      throw ConfigError(
          fmt::format("'{}' is a {}'s student module, which does not tell its place in the "
                      "network: m2mkd convert --stage I gives it one, 0 for the first",
                      source, family.title()));
  }
  auto told = family.told_depths(names);
  if (!told.empty() && !depths.empty() && depths != told)
    throw ConfigError(
        fmt::format("'{}' has {} stages of {} blocks, as its names tell; the blocks per stage "
                    "were given as {}",
                    source, told.size(), print_value(told), print_value(depths)));
  return told;
}

StagedTensors staged(const Family& family, const WeightFile& file,
                     const std::vector<std::int64_t>& depths) {
  StagedTensors tensors;
  for (const auto& [name, tensor] : file.tensors)
    tensors.emplace_back(family.staged_name(name, depths), tensor);
  return tensors;
}

StagedTensors cut_flat(const WeightFile& file, const std::vector<std::int64_t>& depths,
                       const std::string& source) {
  const auto& family = recognise(file.tensors);
  if (auto told = told_depths(family, file, depths, source); !told.empty())
    return staged(family, file, told);
  std::set<std::int64_t> blocks;
  for (const auto& [name, tensor] : file.tensors)
    if (const auto block = family.block_of(name)) blocks.insert(*block);
  if (depths.empty())
    throw ConfigError(fmt::format(
        "'{}' does not say where its {} blocks are cut into stages: give --stages, blocks per "
        "stage (2 stages: --stages {},{}), or --stage I where it is one stage",
        source, blocks.size(), blocks.size() / 2, (blocks.size() + 1) / 2));
  // Every block has a dozen tensors, so a sum near the limits of integers is nonsense, too.
  std::int64_t sum = 0;
  for (const auto depth : depths)
    sum = std::min<std::int64_t>(sum + std::min<std::int64_t>(depth, 1 << 30), 1 << 30);
  if (sum != static_cast<std::int64_t>(blocks.size()))
    throw ConfigError(
        fmt::format("'{}' has {} blocks, the stages {} make {} (the file of one stage? m2mkd "
                    "convert --stage I gives it its place)",
                    source, blocks.size(), print_value(depths), sum));
  return staged(family, file, depths);
}

}  // namespace

std::string weight_file_complaint(const Path& path) {
  for (const auto* suffix : {".h5", ".safetensors", ".pth", ".pt"})
    if (path.extension() == suffix) return {};
  return "must end in .h5, .safetensors, .pth or .pt";
}

WeightFile read_weights(const Path& path) {
  if (path.extension() == ".h5") return read_module(path);
  auto file = read_other(path);
  file.digest = tensors_digest(file.tensors);
  return file;
}

Attributes weights_attributes(const Path& path) {
  return path.extension() == ".h5" ? read_attributes(path) : read_weights(path).attributes;
}

std::string weights_digest(const Path& path) {
  return path.extension() == ".h5" ? text_attribute(read_attributes(path), "digest")
                                   : read_weights(path).digest;
}

void write_weights(const Path& path, const NamedTensors& tensors,
                   const std::vector<std::int64_t>& depths, const Attributes& attributes,
                   const std::string& inside) {
  auto metadata = own_metadata(tensors, depths, attributes);
  if (path.extension() == ".safetensors") {
    metadata["format"] = "pt";
    return write_safetensors(path, {metadata, tensors});
  }
  Attributes entries;
  for (const auto& [name, text] : metadata) entries[name] = text;
  write_torch_file(path, tensors, inside, attribute_text(entries));
}

StagedTensors cut_into_stages(const WeightFile& file, std::vector<std::int64_t> depths,
                              std::optional<int> only, const std::string& source) {
  if (only) return renumbered(file, *only, source);
  if (std::ranges::none_of(file.tensors, [](const auto& t) {
        const auto name = parse_staged(t.first);
        return name && name->stage >= 0;
      }))
    return cut_flat(file, depths.empty() ? file.depths : depths, source);
  StagedTensors tensors;
  for (const auto& [name, tensor] : file.tensors) {
    const auto staged = parse_staged(name);
    if (!staged)
      fail("'{}': tensor '{}' has a flat name where others are stages.<i>.<key>", source, name);
    tensors.emplace_back(*staged, tensor);
  }
  return tensors;
}

}  // namespace m2mkd
