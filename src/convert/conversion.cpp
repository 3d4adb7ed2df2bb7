#include <algorithm>

#include <ATen/ATen.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/convert/conversion.hpp>

namespace m2mkd {

namespace {

// What the file said before its conversion: only of exactly these weights and this cut. Else what
// is known of them now.
Attributes attributes_of(const ForeignRequest& request, const ForeignModel& model, bool& kept) {
  const auto& own = model.file.attributes;
  const bool settings = std::ranges::any_of(request.settings, [&](const auto& setting) {
    return setting.first.starts_with(request.section + ".");
  });
  kept =
      !own.empty() && model.notes.empty() && !request.only && !settings &&
      (request.stages.empty() || model.file.depths.empty() || request.stages == model.file.depths);
  return kept ? own : foreign_attributes(request, model.seen);
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

// The stage of a file that holds one student module whose names do not tell it.
std::optional<int> only_student(const SeenModel& seen) {
  const auto first = parse_staged(seen.tensors.front().first).value().stage;
  for (const auto& [name, tensor] : seen.tensors) {
    const auto staged = parse_staged(name).value();
    if (staged.stage != first || seen.options.model->tells_stage(staged.key)) return std::nullopt;
  }
  return first;
}

NamedTensors flat_names(const SeenModel& seen) {
  const bool student = only_student(seen).has_value();
  NamedTensors tensors;
  for (const auto& [name, tensor] : seen.tensors) {
    const auto staged = parse_staged(name).value();
    tensors.emplace_back(student      ? staged.key
                         : seen.whole ? seen.options.model->flat_name(staged, seen.options.depths)
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
  return seen.options.model->flat_names_text();
}

std::string write_module(const ForeignRequest& request, const ForeignModel& model,
                         const std::filesystem::path& out) {
  bool kept = false;
  const TensorFile file{attributes_of(request, model, kept), model.seen.tensors};
  std::string text = "digest " + write_tensor_file(out, file);
  if (kept) text += "; attributes as before its conversion";
  if (file.attributes.contains("config")) return text;
  return text + "\nIt holds no configuration" +
         (model.seen.whole
              ? ": weights do not tell the attention heads, --" + request.section + ".heads N does"
              : ", as a part of a network cannot be evaluated alone");
}

}  // namespace

ConversionOutcome convert(const ForeignRequest& request, const std::filesystem::path& out) {
  const ForeignModel model = read_foreign(request);
  const auto flat = flat_names(model.seen);
  const bool module = out.extension() == ".h5";
  ConversionOutcome outcome{report(model, module ? model.seen.tensors : flat), {}};
  for (const auto& guess : model.seen.guesses) outcome.lines.push_back(guess);
  if (const auto& image = model.seen.image; model.seen.image_sides > 1)
    outcome.lines.push_back(
        fmt::format("image side = {}: not in the weights; {} to {} lead to this grid of positions "
                    "(--image-size)",
                    image.size, image.size, image.size + model.seen.image_sides - 1));
  std::string text;
  if (module) {
    text = write_module(request, model, out);
  } else {
    const auto entry =
        out.extension() == ".safetensors" ? "" : model.seen.options.model->checkpoint_entry();
    bool kept = false;
    write_weights(out, flat, model.seen.options.depths, attributes_of(request, model, kept), entry);
    text = names_text(model.seen) + (entry.empty() ? "" : ", in the entry '" + entry + "'");
  }
  outcome.summary = fmt::format("{}: {}, {}; {} left out", out.string(), count_text(model.seen),
                                text, model.file.left_out.size());
  return outcome;
}

}  // namespace m2mkd
