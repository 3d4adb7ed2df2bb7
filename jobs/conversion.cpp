#include "conversion.hpp"

#include <algorithm>
#include <numeric>
#include <set>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include <m2mkd/base/error.hpp>
#include <m2mkd/plan/config.hpp>
#include <m2mkd/store/safetensors.hpp>

#include "file_json.hpp"
#include "seen_model.hpp"

namespace m2mkd {

namespace {

// Entries of a .safetensors file's metadata that bring a module file back as it was.
constexpr const char* stages_entry = "m2mkd.stages";
constexpr const char* attributes_entry = "m2mkd.attributes";
constexpr const char* weights_entry = "m2mkd.weights";

// Tells the weights and their cut into stages from any others.
std::string fingerprint(const NamedTensors& tensors) {
  std::vector<std::string> lines;
  for (const auto& [name, tensor] : tensors)
    lines.push_back(fmt::format("{} {} {} {}\n", name, at::toString(tensor.scalar_type()),
                                print_value(tensor.sizes().vec()),
                                xxh3_hex(tensor.data_ptr(), tensor.nbytes())));
  std::ranges::sort(lines);
  return xxh3_hex(std::accumulate(lines.begin(), lines.end(), std::string()));
}

std::string tensor_line(const std::string& from, const std::string& to, const at::Tensor& tensor) {
  return fmt::format("{} -> {}  {} [{}]", from, to, at::toString(tensor.scalar_type()),
                     print_value(tensor.sizes().vec()));
}

std::string count_text(const SeenModel& seen) {
  std::int64_t parameters = 0;
  for (const auto& [name, tensor] : seen.tensors) parameters += tensor.numel();
  const std::string cut = seen.whole ? "stages of " + print_value(seen.options.depths) + " blocks"
                                     : "part of a network";
  return fmt::format("{} tensors, {} parameters, {}", seen.tensors.size(), parameters, cut);
}

std::vector<std::int64_t> parse_recorded(const ConversionRequest& request,
                                         const std::string& text) {
  std::vector<std::int64_t> depths;
  try {
    depths = parse_value<std::vector<std::int64_t>>(text);
  } catch (const std::exception&) {
  }
  if (depths.empty() || std::ranges::any_of(depths, [](auto blocks) { return blocks < 1; }))
    fail("'{}': its entry {} = '{}' is no list of blocks per stage; give --stages",
         request.in.string(), stages_entry, text);
  return depths;
}

// Stages from names of either form. Flat names need to be told where to cut.
StagedTensors cut_into_stages(const ConversionRequest& request, const SafetensorsFile& file,
                              std::vector<std::int64_t>& depths) {
  const auto staged_count = std::ranges::count_if(file.tensors, [](const auto& t) {
    const auto name = parse_staged(t.first);
    return name && name->stage >= 0;
  });
  StagedTensors tensors;
  if (staged_count > 0) {
    for (const auto& [name, tensor] : file.tensors) {
      const auto staged = parse_staged(name);
      if (!staged)
        fail("'{}': tensor '{}' has a flat name where others are stages.<i>.<key>",
             request.in.string(), name);
      tensors.emplace_back(*staged, tensor);
    }
    return tensors;
  }
  std::set<std::int64_t> blocks;
  for (const auto& [name, tensor] : file.tensors)
    if (const auto block = block_of(name)) blocks.insert(*block);
  const auto recorded = file.metadata.find(stages_entry);
  if (depths.empty() && recorded != file.metadata.end())
    depths = parse_recorded(request, recorded->second);
  if (depths.empty())
    throw ConfigError(fmt::format(
        "'{}' does not say where its {} blocks are cut into stages: give --stages, blocks per "
        "stage (2 stages: "
        "--stages {},{})",
        request.in.string(), blocks.size(), blocks.size() / 2, (blocks.size() + 1) / 2));
  // Every block has a dozen tensors, so a sum near the limits of integers is nonsense, too.
  std::int64_t sum = 0;
  for (const auto depth : depths)
    sum = std::min<std::int64_t>(sum + std::min<std::int64_t>(depth, 1 << 30), 1 << 30);
  if (sum != static_cast<std::int64_t>(blocks.size()))
    throw ConfigError(fmt::format("'{}' has {} blocks, the stages {} make {}", request.in.string(),
                                  blocks.size(), print_value(depths), sum));
  for (const auto& [name, tensor] : file.tensors)
    tensors.emplace_back(staged_name(name, depths), tensor);
  return tensors;
}

// Of weights that were not made here: enough for `init.*`, and for `m2mkd eval` where the settings
// say what weights cannot.
Attributes foreign_attributes(const ConversionRequest& request, const SeenModel& seen) {
  const auto& first = seen.tensors.front().first;
  Attributes attributes{
      {"job", std::string("final.e2e")},
      {"phase", std::string("final")},
      {"network", std::string("student")},
      {"stage", seen.whole ? std::int64_t{-1} : std::int64_t{parse_staged(first)->stage}},
      {"method", std::string("e2e")},
      {"converted_from", request.in.filename().string()},
      {"data.channels", seen.image.channels},
      {"data.image_size", seen.image.size},
      {"data.classes", seen.image.classes}};
  const bool said = std::ranges::any_of(
      request.settings, [&](const auto& s) { return s.first == request.section + ".heads"; });
  if (!said) return attributes;
  std::string ini = "[run]\nmethods = e2e\n[student]\n";
  const auto keys = ModelOptions::keys();
  for (const auto& key : keys.keys()) ini += key.name + " = " + key.print(seen.options) + "\n";
  attributes["config"] = Config::from_text(ini, "settings of the converted model").text();
  return attributes;
}

}  // namespace

ConversionOutcome to_safetensors(const ConversionRequest& request) {
  const auto file = read_tensor_file(
      request.in, [](const std::string& name) { return parse_staged(name).has_value(); });
  if (file.tensors.empty())
    fail("'{}' holds no stages (m2mkd inspect shows what it holds)", request.in.string());
  StagedTensors tensors;
  for (const auto& [name, tensor] : file.tensors)
    tensors.emplace_back(parse_staged(name).value(), tensor);
  const SeenModel seen = see_model(tensors, request.model, request.stages, request.section,
                                   request.settings, request.in.string());

  SafetensorsFile out;
  ConversionOutcome outcome;
  for (const auto& [name, tensor] : seen.tensors) {
    const auto staged = parse_staged(name).value();
    out.tensors.emplace_back(seen.whole ? flat_name(staged, seen.options.depths) : staged.text('.'),
                             tensor);
    outcome.lines.push_back(tensor_line(name, out.tensors.back().first, tensor));
  }
  std::size_t left = 0;
  for (const auto& info : list_tensors(request.in)) {
    if (parse_staged(info.name)) continue;
    outcome.lines.push_back(info.name + ": left out (no weight)");
    ++left;
  }
  out.metadata = {{"format", "pt"},
                  {stages_entry, print_value(seen.options.depths)},
                  {attributes_entry, attributes_json(file.attributes).dump()},
                  {weights_entry, fingerprint(seen.tensors)}};
  write_safetensors(request.out, out);
  outcome.summary = fmt::format(
      "{}: {}, names {}; {} tensors left out", request.out.string(), count_text(seen),
      seen.whole ? "flat, blocks counted through the network" : "stages.<i>.<key>", left);
  return outcome;
}

ConversionOutcome to_h5(const ConversionRequest& request) {
  const auto file = read_safetensors(request.in);
  if (file.tensors.empty()) fail("'{}' holds no tensors", request.in.string());
  auto depths = request.stages;
  const auto tensors = cut_into_stages(request, file, depths);
  const SeenModel seen = see_model(tensors, request.model, depths, request.section,
                                   request.settings, request.in.string());

  TensorFile out{{}, seen.tensors};
  const auto told = file.metadata.find(weights_entry),
             attributes = file.metadata.find(attributes_entry);
  const bool ours = told != file.metadata.end() && attributes != file.metadata.end() &&
                    told->second == fingerprint(seen.tensors);
  if (ours)
    out.attributes =
        attributes_from_json(nlohmann::ordered_json::parse(attributes->second, nullptr, false));
  else
    out.attributes = foreign_attributes(request, seen);
  const bool config = out.attributes.contains("config");
  const auto digest = write_tensor_file(request.out, out);

  ConversionOutcome outcome;
  for (std::size_t i = 0; i < tensors.size(); ++i)
    outcome.lines.push_back(
        tensor_line(file.tensors[i].first, tensors[i].first.text('/'), tensors[i].second));
  outcome.summary = fmt::format("{}: {}, digest {}{}", request.out.string(), count_text(seen),
                                digest, ours ? "; attributes as before its conversion" : "");
  if (!config)
    outcome.summary += fmt::format(
        "\nIt holds no configuration: init.* takes it, m2mkd eval does not. Weights do not tell "
        "the attention "
        "heads: --{}.heads N adds it",
        request.section);
  return outcome;
}

}  // namespace m2mkd
