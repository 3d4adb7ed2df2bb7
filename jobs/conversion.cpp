#include "conversion.hpp"

#include <algorithm>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include <m2mkd/base/error.hpp>
#include <m2mkd/store/safetensors.hpp>
#include <m2mkd/store/torch_file.hpp>

#include "file_json.hpp"

namespace m2mkd {

namespace {

// Entries of a .safetensors file's metadata that bring a module file back as it was.
constexpr const char* attributes_entry = "m2mkd.attributes";
constexpr const char* weights_entry = "m2mkd.weights";

// What the module file said before its conversion: only of exactly these weights and this cut.
Attributes kept_attributes(const ForeignRequest& request, const ForeignModel& model) {
  if (model.notes.empty() && !request.only && !model.file.attributes.empty())
    return model.file.attributes;
  const auto told = model.file.metadata.find(weights_entry),
             attributes = model.file.metadata.find(attributes_entry);
  if (told == model.file.metadata.end() || attributes == model.file.metadata.end() ||
      told->second != tensors_digest(model.seen.tensors))
    return {};
  return attributes_from_json(nlohmann::ordered_json::parse(attributes->second, nullptr, false));
}

std::string count_text(const SeenModel& seen) {
  std::int64_t parameters = 0;
  for (const auto& [name, tensor] : seen.tensors) parameters += tensor.numel();
  const std::string cut = seen.whole ? "stages of " + print_value(seen.options.depths) + " blocks"
                                     : "part of a network";
  return fmt::format("{} tensors, {} parameters, {}", seen.tensors.size(), parameters, cut);
}

std::string tensor_line(const std::string& from, const std::string& to, const at::Tensor& tensor,
                        const std::string& note) {
  return fmt::format("{}  {} [{}]{}", from == to ? from : from + " -> " + to,
                     at::toString(tensor.scalar_type()), print_value(tensor.sizes().vec()),
                     note.empty() ? "" : "  (" + note + ")");
}

// Everything that the file held, in the model's order, under the name it gets.
std::vector<std::string> report(const ForeignModel& model, const NamedTensors& written) {
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < written.size(); ++i) {
    const auto& [name, tensor] = written[i];
    const auto origin = model.origins.find(model.seen.tensors[i].first);
    const auto note = model.notes.find(model.seen.tensors[i].first);
    lines.push_back(tensor_line(origin == model.origins.end() ? name : origin->second, name, tensor,
                                note == model.notes.end() ? "" : note->second));
  }
  for (const auto& name : model.file.left_out) lines.push_back(name + ": left out");
  return lines;
}

// The stage of a file that holds one student module of a NAC and nothing else.
std::optional<int> only_student(const SeenModel& seen) {
  const auto first = parse_staged(seen.tensors.front().first).value().stage;
  for (const auto& [name, tensor] : seen.tensors) {
    const auto staged = parse_staged(name).value();
    if (staged.stage != first || nac_part(staged.key) == NacPart::network) return std::nullopt;
  }
  if (seen.options.model != ModelName::nac) return std::nullopt;
  return first;
}

NamedTensors flat_names(const SeenModel& seen) {
  const bool student = only_student(seen).has_value();
  NamedTensors tensors;
  for (const auto& [name, tensor] : seen.tensors) {
    const auto staged = parse_staged(name).value();
    tensors.emplace_back(student      ? staged.key
                         : seen.whole ? flat_name(staged, seen.options.depths)
                                      : staged.text('.'),
                         tensor);
  }
  return tensors;
}

std::string names_text(const SeenModel& seen) {
  if (const auto stage = only_student(seen))
    return fmt::format("names of the published student module; --stage {} brings its place back",
                       *stage);
  if (!seen.whole) return "names stages.<i>.<key>";
  return seen.options.model == ModelName::nac ? "published names"
                                              : "names flat, blocks counted through the network";
}

std::string write_module(const ForeignRequest& request, const ForeignModel& model,
                         const std::filesystem::path& out) {
  TensorFile file{kept_attributes(request, model), model.seen.tensors};
  const bool kept = !file.attributes.empty();
  if (!kept) file.attributes = foreign_attributes(request, model.seen);
  std::string text = "digest " + write_tensor_file(out, file);
  if (kept) text += "; attributes as before its conversion";
  if (file.attributes.contains("config")) return text;
  return text + "\nIt holds no configuration" +
         (model.seen.whole
              ? ": weights do not tell the attention heads, --" + request.section + ".heads N does"
              : ", as a part of a network cannot be evaluated alone");
}

std::string write_exchange(const ForeignRequest& request, const ForeignModel& model,
                           const NamedTensors& tensors, const std::filesystem::path& out) {
  SafetensorsFile file{{{"format", "pt"}, {kStagesEntry, print_value(model.seen.options.depths)}},
                       tensors};
  if (const auto attributes = kept_attributes(request, model); !attributes.empty()) {
    file.metadata[attributes_entry] = attributes_json(attributes).dump();
    file.metadata[weights_entry] = tensors_digest(model.seen.tensors);
  }
  write_safetensors(out, file);
  return names_text(model.seen);
}

}  // namespace

ConversionOutcome convert(const ForeignRequest& request, const std::filesystem::path& out) {
  const ForeignModel model = read_foreign(request);
  const auto flat = flat_names(model.seen);
  const bool module = out.extension() == ".h5";
  ConversionOutcome outcome{report(model, module ? model.seen.tensors : flat), {}};
  for (const auto& guess : model.seen.guesses) outcome.lines.push_back(guess);
  std::string text;
  if (module) {
    text = write_module(request, model, out);
  } else if (out.extension() == ".safetensors") {
    text = write_exchange(request, model, flat, out);
  } else {
    // The published NAC code looks for its weights in an entry of this name.
    const bool nac = model.seen.options.model == ModelName::nac;
    write_torch_file(out, flat, nac ? "model" : "");
    text = names_text(model.seen) + (nac ? ", in the entry 'model'" : "");
    if (model.seen.whole && !nac)
      text += "; blocks per stage are not in the file, --stages \"" +
              print_value(model.seen.options.depths) + "\" brings them back";
  }
  outcome.summary = fmt::format("{}: {}, {}; {} left out", out.string(), count_text(model.seen),
                                text, model.file.left_out.size());
  return outcome;
}

}  // namespace m2mkd
