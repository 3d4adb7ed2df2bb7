#include <algorithm>
#include <set>

#include <ATen/ATen.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/convert/foreign_model.hpp>
#include <m2mkd/nn/initialise.hpp>
#include <m2mkd/plan/config.hpp>

namespace m2mkd {

namespace {

// Those keys from a module file's own configuration.
WrittenSettings stored_settings(const WeightFile& file, const std::string& section) {
  if (!file.attributes.contains("config") || !file.attributes.contains("network")) return {};
  const auto config = Config::from_text(text_attribute(file.attributes, "config"), "stored");
  const auto model = config.model(text_attribute(file.attributes, "network"),
                                  text_attribute(file.attributes, "method"));
  WrittenSettings settings;
  const auto keys = ModelOptions::keys();
  for (const auto& key : keys.keys())
    if (model.model->leaves_no_trace(key.name))
      settings.emplace_back(section + "." + key.name, key.print(model));
  return settings;
}

// All blocks as one stage; empty where the names tell the stages.
std::vector<std::int64_t> one_stage(const WeightFile& file) {
  const Family& family = recognise(file.tensors);
  std::set<std::int64_t> blocks;
  std::vector<std::string> names;
  for (const auto& [name, tensor] : file.tensors) {
    names.push_back(name);
    if (const auto block = family.block_of(name)) blocks.insert(*block);
  }
  if (!family.told_depths(names).empty()) return {};
  return {static_cast<std::int64_t>(blocks.size())};
}

// Grids of positions may leave several sides of images: the one that is wanted, else the file's
// own.
void settle_image_side(ForeignModel& model, const ForeignRequest& request) {
  auto& seen = model.seen;
  std::int64_t side = request.image_size.value_or(0);
  if (side == 0 && model.file.attributes.contains("data.image_size"))
    side = integer_attribute(model.file.attributes, "data.image_size");
  if (side < seen.image.size || side >= seen.image.size + seen.image_sides) return;
  seen.image.size = side;
  seen.image_sides = 1;
}

// The head as a fresh network of this section and seed has it.
void fill_head(ForeignModel& model, const ForeignRequest& request) {
  auto& o = model.seen.options;
  const auto cpu = at::dtype(at::kFloat).device(at::kCPU);
  Chain chain{request.section, std::vector<StagePtr>(o.depths.size()), {}};
  chain.stages.back() =
      make_stage(o, model.seen.image, o.stages() - 1, 0, cpu, make_shared_tensors(o, cpu));
  initialise(chain, request.seed);
  const auto fresh = state(chain);
  for (auto& [name, tensor] : model.seen.tensors) {
    const auto note = model.notes.find(name);
    if (note == model.notes.end() || !note->second.starts_with("new")) continue;
    const auto found = std::ranges::find(fresh, name, [](const auto& t) { return t.first; });
    tensor.copy_(found->second);
  }
}

}  // namespace

std::string model_section(const WrittenSettings& settings) {
  std::vector<std::string> sections;
  for (const auto* section : {"meta", "teacher", "student"})
    if (std::ranges::any_of(settings, [&](const auto& s) {
          return s.first.starts_with(std::string(section) + ".");
        }))
      sections.emplace_back(section);
  if (sections.size() > 1)
    throw ConfigError(
        "a file holds one network: give settings of meta, teacher or student, not of several");
  return sections.empty() ? "student" : sections.front();
}

ForeignModel read_foreign(const ForeignRequest& request) {
  ForeignModel model;
  model.file = read_weights(request.path);
  const auto source = request.path.string();
  if (model.file.tensors.empty()) fail("'{}' holds no stages and no tensors of a network", source);
  const bool staged = std::ranges::any_of(
      model.file.tensors, [](const auto& t) { return parse_staged(t.first).has_value(); });
  auto depths = request.stages.empty() ? model.file.depths : request.stages;
  const Family& family = request.family ? *request.family : recognise(model.file.tensors);
  if (depths.empty() && request.one_stage && !staged) depths = one_stage(model.file);
  auto tensors = cut_into_stages(model.file, depths, request.only, source);
  if (request.only) depths = request.stages;  // the file's are those of another place
  for (std::size_t i = 0; i < tensors.size(); ++i)
    model.origins[tensors[i].first.text('/')] = model.file.tensors[i].first;

  if (request.image_size) family.resize_positions(tensors, *request.image_size, model.notes);
  const bool new_head =
      request.classes && family.replace_head(tensors, *request.classes, model.notes);
  auto settings = stored_settings(model.file, request.section);
  settings.insert(settings.end(), request.settings.begin(), request.settings.end());
  model.seen = see_model(tensors, family, depths, request.section, settings, source);
  settle_image_side(model, request);
  if (new_head) fill_head(model, request);
  if (model.seen.whole && !family.assumed().empty() && !model.file.attributes.contains("config"))
    model.seen.guesses.push_back(family.assumed() +
                                 ": not in the weights; a network of another kind (average "
                                 "pooling, quick_gelu) has other logits than these");
  return model;
}

Attributes foreign_attributes(const ForeignRequest& request, const SeenModel& seen) {
  const auto& first = seen.tensors.front().first;
  Attributes attributes{
      {"job", std::string("final.e2e")},
      {"phase", std::string("final")},
      {"network", std::string("student")},
      {"stage", seen.whole ? std::int64_t{-1} : std::int64_t{parse_staged(first)->stage}},
      {"method", std::string("e2e")},
      {"converted_from", request.path.filename().string()},
      {"data.channels", seen.image.channels},
      {"data.image_size", seen.image.size},
      {"data.classes", seen.image.classes}};
  if (!seen.whole || !seen.heads_known) return attributes;
  std::string ini = "[run]\nmethods = e2e\n[student]\n";
  const auto keys = ModelOptions::keys();
  for (const auto& key : keys.keys()) ini += key.name + " = " + key.print(seen.options) + "\n";
  attributes["config"] = Config::from_text(ini, "settings of the converted model").text();
  return attributes;
}

}  // namespace m2mkd
