#include "seen_model.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>

#include <ATen/ATen.h>

#include <m2mkd/base/error.hpp>

#include "seen_nac.hpp"
#include "shapes.hpp"

namespace m2mkd {

ModelName name_model(const StagedTensors& tensors) {
  if (std::ranges::any_of(tensors,
                          [](const auto& t) { return nac_part(t.first.key) != NacPart::none; }))
    return ModelName::nac;
  const bool experts = std::ranges::any_of(
      tensors, [](const auto& t) { return t.first.key.find(".moe.") != std::string::npos; });
  return experts ? ModelName::vmoe : ModelName::vit;
}

namespace {

std::int64_t count_experts(const StagedTensors& tensors) {
  std::map<std::string, std::set<std::string>> experts;  // by block: numbers as text
  for (const auto& [name, tensor] : tensors)
    if (const auto at = name.key.find(".moe.experts."); at != std::string::npos) {
      const auto begin = at + 13;
      experts[std::to_string(name.stage) + name.key.substr(0, at)].insert(
          name.key.substr(begin, name.key.find('.', begin) - begin));
    }
  std::size_t most = 1;
  for (const auto& [block, numbers] : experts) most = std::max(most, numbers.size());
  return static_cast<std::int64_t>(most);
}

// Global numbers of the blocks with experts, as a setting.
std::string blocks_with_experts(const StagedTensors& tensors,
                                const std::vector<std::int64_t>& depths) {
  std::set<std::int64_t> blocks;
  for (const auto& [name, tensor] : tensors)
    if (name.stage >= 0 && name.key.find(".moe.") != std::string::npos)
      if (const auto block = block_of(flat_name(name, depths))) blocks.insert(*block);
  std::string text;
  for (const auto block : blocks) text += (text.empty() ? "" : " ") + std::to_string(block);
  return text.empty() ? "none" : text;
}

SeenModel from_shapes(const StagedTensors& tensors, ModelName model,
                      const std::vector<std::int64_t>& depths) {
  const Shapes shapes(tensors);
  SeenModel seen;
  auto& o = seen.options;
  o.model = model;
  o.depths = depths;
  o.heads = 1;
  if (model == ModelName::nac) {
    see_nac(tensors, seen);
    return seen;
  }
  o.width = shapes.get("norm1.weight", 0, 1);
  o.top_k = 1;
  o.qkv_bias = shapes.find("attn.qkv.bias", 0).has_value();
  const auto hidden = shapes.get("mlp.fc1.weight", 0, shapes.get(".htoh4.weight", 1, 4 * o.width));
  o.mlp_ratio = static_cast<double>(hidden) / static_cast<double>(o.width);
  if (model == ModelName::vmoe) {
    o.experts = count_experts(tensors);
    o.moe_blocks = blocks_with_experts(tensors, depths);
  }
  o.patch = shapes.get("patch_embed.proj.weight", 2, 1);
  const auto patches = shapes.get("pos_embed", 1, 2) - 1;
  seen.image = {
      shapes.get("patch_embed.proj.weight", 1, 1),
      o.patch * std::max<std::int64_t>(1, std::llround(std::sqrt(static_cast<double>(patches)))),
      shapes.get("head.weight", 0, 1)};
  return seen;
}

// What weights do not tell, by the widths that timm and the published Python have
// (reference/vmoe §2.1, §2.2). `said`: keys that a setting gives.
void guess(SeenModel& seen, const std::function<bool(const char*)>& said,
           const std::string& section) {
  static const std::map<std::int64_t, std::int64_t> standard_heads{
      {192, 3}, {384, 6}, {768, 12}, {1024, 16}, {1280, 16}};
  auto& o = seen.options;
  const auto note = [&](const std::string& what) {
    seen.guesses.push_back(fmt::format("{}: not in the weights; usual for width {} (--{}.{})", what,
                                       o.width, section, what.substr(0, what.find(' '))));
  };
  auto heads = standard_heads.contains(o.width) ? standard_heads.at(o.width) : 0;
  if (o.model == ModelName::nac) heads = o.width % 64 == 0 ? o.width / 64 : 0;
  seen.heads_known = said("heads") || heads > 0;
  if (!said("heads") && seen.heads_known) {
    o.heads = heads;
    note(fmt::format("heads = {}", o.heads));
  }
  if (!said("top_k") && o.model == ModelName::vmoe && seen.heads_known) {
    o.top_k = std::min<std::int64_t>(2, o.experts);
    note(fmt::format("top_k = {}", o.top_k));
  }
  if (!said("norm_eps") && o.model != ModelName::nac) {
    if (o.width == 1280 && !o.qkv_bias) o.norm_eps = 1e-5;
    note(fmt::format("norm_eps = {}", o.norm_eps));
  }
}

bool is_stitch(const std::string& key) {
  return key.find("pre_stitch.") != std::string::npos ||
         key.find("post_stitch.") != std::string::npos;
}

// The stages that the file has, on no device; the others stay null.
Chain make_seen(const SeenModel& seen, const StagedTensors& tensors, const std::string& role) {
  std::map<int, bool> stages;  // number → has stitches
  for (const auto& [name, tensor] : tensors)
    stages[name.stage] = stages[name.stage] || is_stitch(name.key);
  const Shapes shapes(tensors);
  const auto outer = shapes.get(
      "pre_stitch.ln.weight", 0,
      shapes.get("pre_stitch.weight", 1,
                 shapes.get("post_stitch.fc.weight", 0, shapes.get("post_stitch.weight", 0, 1))));
  const auto students = nac_students(tensors);
  const auto nowhere = at::dtype(at::kFloat).device(at::kMeta);
  Chain chain{role, std::vector<StagePtr>(seen.options.depths.size()), {}};
  const auto shared = make_shared_tensors(seen.options, nowhere);
  if (stages.contains(-1)) chain.shared = shared;
  for (const auto& [number, stitches] : stages) {
    if (number < 0 || number >= seen.options.stages()) continue;
    const auto student = students.find(number);
    ModelOptions distilled = seen.options;
    distilled.stitch = stitches ? StitchRule::always : StitchRule::never;
    const Surrounding around{outer, student == students.end() ? 0 : student->second};
    chain.stages[static_cast<std::size_t>(number)] =
        stitches || student != students.end()
            ? make_distill_form(distilled, seen.image, number, around, nowhere)
            : make_stage(seen.options, seen.image, number, outer, nowhere, shared);
  }
  return chain;
}

// The number of stages is one more where the last one of the file is not the network's last.
std::vector<std::int64_t> grouping(const StagedTensors& tensors, std::vector<std::int64_t> wanted) {
  std::vector<StagedName> names;
  bool head = false;
  for (const auto& [name, tensor] : tensors) {
    names.push_back(name);
    head = head || name.key == "head.weight" || name.key.ends_with("tokenizer.to_logits.weight");
  }
  auto depths = blocks_per_stage(names);
  if (!head) depths.push_back(0);
  if (name_model(tensors) == ModelName::nac) depths.resize(std::max<std::size_t>(3, depths.size()));
  if (!wanted.empty()) {
    for (std::size_t i = 0; i < depths.size(); ++i)
      if (depths[i] != 0 && (i >= wanted.size() || depths[i] != wanted[i]))
        throw ConfigError(
            fmt::format("stage {} holds {} blocks, but the blocks per stage were given as {}", i,
                        depths[i], print_value(wanted)));
    return wanted;
  }
  for (auto& depth : depths)
    depth = std::max<std::int64_t>(1, depth);  // absent stages need a number
  return depths;
}

}  // namespace

SeenModel see_model(const StagedTensors& tensors, ModelName model, std::vector<std::int64_t> depths,
                    const std::string& section, const WrittenSettings& settings,
                    const std::string& source) {
  SeenModel seen = from_shapes(tensors, model, grouping(tensors, std::move(depths)));
  Settings written;
  for (const auto& [key, value] : settings) written.set(key, value, {"command line", 0});
  const auto find = [&](std::string_view name) {
    return written.find(section + "." + std::string(name));
  };
  guess(
      seen, [&](const char* name) { return find(name) != nullptr; }, section);
  std::vector<std::string> problems;
  ModelOptions::keys().read(seen.options, find, problems);
  for (auto& problem : check(seen.options, seen.image, section))
    problems.push_back(std::move(problem));
  if (!problems.empty()) throw ConfigError(problems);

  const Chain chain = make_seen(seen, tensors, section);
  std::map<std::string, at::Tensor> by_name;
  NamedTensors all;
  for (const auto& [name, tensor] : tensors) {
    all.emplace_back(name.text('/'), tensor);
    by_name[all.back().first] = tensor;
  }
  // Random tensors that never train are not in published files.
  const auto random = buffers(chain);
  const auto optional = [&](const std::string& name) {
    return std::ranges::any_of(random, [&](const auto& buffer) { return buffer.name == name; });
  };
  load(chain, all, source, {}, optional);  // into nothing: only its strict comparison is wanted
  for (const auto& [name, nothing] : state(chain))
    if (const auto found = by_name.find(name); found != by_name.end())
      seen.tensors.push_back(*found);
  seen.whole =
      nac_students(tensors).empty() &&
      std::ranges::none_of(chain.stages, [](const auto& stage) { return stage == nullptr; });
  return seen;
}

}  // namespace m2mkd
