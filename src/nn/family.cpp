// What families have in common unless they say otherwise.

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include <ATen/ATen.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/nn/family.hpp>
#include <m2mkd/nn/load.hpp>

namespace m2mkd {
namespace {

std::set<std::string> names_of(const Keys<ModelOptions>& keys) {
  std::set<std::string> names;
  for (const auto& key : keys.keys()) names.insert(key.name);
  return names;
}

// Asked for every key of every job, so not made anew each time.
const std::set<std::string>& own_names(const Family& family) {
  static const auto all = [] {
    std::map<const Family*, std::set<std::string>> names;
    for (const auto* known : families()) names[known] = names_of(known->keys());
    return names;
  }();
  return all.at(&family);
}

bool is_part(const std::string& name, const std::string& part) {
  return name == part || name.starts_with(part + ".");
}

template <class Tensors, class KeyOf>
const Family& recognised(const Tensors& tensors, const KeyOf& key_of) {
  std::vector<std::string> keys;
  for (const auto& [name, tensor] : tensors) keys.push_back(key_of(name));
  return recognise(keys);
}

}  // namespace

const Family* family(std::string_view name) {
  std::string known;
  for (const auto* family : families()) {
    if (family->name() == name) return family;
    known += (known.empty() ? "" : ", ") + family->name();
  }
  throw std::invalid_argument("not one of: " + known);
}

const Family& recognise(const std::vector<std::string>& keys) {
  for (auto it = families().rbegin(); it != families().rend(); ++it)
    if ((*it)->recognises(keys)) return **it;
  return *families().front();
}

const Family& recognise(const NamedTensors& tensors) {
  return recognised(tensors, [](const std::string& name) {
    const auto staged = parse_staged(name);
    return staged ? staged->key : name;
  });
}

const Family& recognise(const StagedTensors& tensors) {
  return recognised(tensors, [](const StagedName& name) { return name.key; });
}

bool Family::depends_on(const std::string& key, bool) const {
  static const auto common = names_of(ModelOptions::common_keys());
  return common.contains(key) || own_names(*this).contains(key);
}

bool Family::leaves_no_trace(const std::string& key) const {
  return key == "heads" || key == "norm_eps";
}

AssemblyMap Family::assembly_map(const ModelOptions& options, const ImageShape&,
                                 const ImageShape&) const {
  return [keep = options.keep_stitches](const std::string& name) -> std::optional<std::string> {
    const bool stitch = name.find(".pre_stitch.") != std::string::npos ||
                        name.find(".post_stitch.") != std::string::npos;
    if (stitch && !keep) return std::nullopt;
    return name;
  };
}

std::function<bool(const std::string&)> Family::fresh_in_assembly(const ImageShape&,
                                                                  const ImageShape&) const {
  return [](const std::string&) { return false; };
}

std::optional<std::int64_t> Family::block_of(const std::string& key) const {
  return number_behind("blocks.", key);
}

std::string Family::flat_name(const StagedName& name,
                              const std::vector<std::int64_t>& depths) const {
  if (name.stage < 0) return name.text('.');
  const auto first = std::accumulate(depths.begin(), depths.begin() + name.stage, std::int64_t{0});
  return block_of(name.key) ? with_block(name.key, first) : name.key;
}

StagedName Family::staged_name(const std::string& flat,
                               const std::vector<std::int64_t>& depths) const {
  if (auto staged = parse_staged(flat); staged && staged->stage < 0) return *staged;
  for (const auto* part : {"patch_embed", "pos_embed", "cls_token"})
    if (is_part(flat, part)) return {0, flat};
  for (const auto* part : {"norm", "head"})
    if (is_part(flat, part)) return {static_cast<int>(depths.size()) - 1, flat};
  const auto block = block_of(flat);
  if (!block)
    fail("tensor '{}' belongs to no part of a vision transformer that this program has", flat);
  std::int64_t first = 0;
  for (std::size_t stage = 0; stage < depths.size(); first += depths[stage++])
    if (*block < first + depths[stage]) return {static_cast<int>(stage), with_block(flat, -first)};
  fail("tensor '{}' lies beyond the {} blocks of the stages", flat, first);
}

std::vector<std::int64_t> Family::seen_depths(const std::vector<StagedName>& names) const {
  std::vector<std::set<std::int64_t>> seen;
  bool head = false;
  for (const auto& name : names) {
    if (name.stage < 0) continue;
    const auto stage = static_cast<std::size_t>(name.stage);
    if (seen.size() <= stage) seen.resize(stage + 1);
    if (const auto block = block_of(name.key)) seen[stage].insert(*block);
    head = head || name.key == "head.weight";
  }
  std::vector<std::int64_t> depths;
  for (const auto& stage : seen) depths.push_back(static_cast<std::int64_t>(stage.size()));
  if (!head) depths.push_back(0);
  return depths;
}

}  // namespace m2mkd
