#include "state_dict.hpp"

#include <algorithm>
#include <array>
#include <set>

#include <m2mkd/base/error.hpp>
#include <m2mkd/nn/family.hpp>

namespace m2mkd {
namespace {

using Dict = TorchValue::Dict;
using List = TorchValue::List;

bool holds_tensors(const TorchValue* value) {
  const auto* dict = value ? value->as<Dict>() : nullptr;
  return dict && std::ranges::any_of(*dict, [](const auto& entry) {
           return entry.second->template as<StoredTensor>();
         });
}

struct Found {
  std::vector<std::pair<std::string, const StoredTensor*>> tensors;
  std::vector<std::string> left_out;
};

void add_dict(const TorchValue* value, const std::string& prefix, Found& found) {
  const auto* dict = value->as<Dict>();
  if (dict == nullptr) fail("where a dictionary of tensors was expected is {}", value->describe());
  std::set<std::string> names;
  for (const auto& [key, item] : *dict) {
    const auto* name = key->as<std::string>();
    if (name == nullptr) fail("a tensor's name is {}", key->describe());
    if (!names.insert(*name).second) fail("tensor '{}' is there twice", *name);
    if (const auto* tensor = item->as<StoredTensor>())
      found.tensors.emplace_back(prefix + *name, tensor);
    else
      found.left_out.push_back(prefix + *name + " (" + item->describe() + ")");
  }
}

// What wrappers put before every name (DistributedDataParallel, torch.compile, Lightning, DINO),
// one within another.
void strip_wrappers(Found& found) {
  constexpr std::array prefixes{"module.",  "_orig_mod.", "model.",   "backbone.",
                                "teacher.", "student.",   "encoder.", "net."};
  std::string stripped;
  while (!found.tensors.empty()) {
    const auto before_all = [&](std::string_view prefix) {
      return std::ranges::all_of(found.tensors,
                                 [&](const auto& t) { return t.first.starts_with(prefix); });
    };
    const auto* prefix = std::ranges::find_if(prefixes, before_all);
    if (prefix == prefixes.end()) break;
    stripped += *prefix;
    for (auto& [name, tensor] : found.tensors) name.erase(0, std::string_view(*prefix).size());
  }
  if (!stripped.empty()) found.left_out.push_back(fmt::format("'{}' (before all names)", stripped));
}

// The published `model` holds each tensor under two names: blocks.7.… and stages.1.blocks.1.….
void drop_second_names(Found& found) {
  const auto staged = [](const auto& t) { return parse_staged(t.first).has_value(); };
  std::vector<std::string> names;
  for (const auto& [name, tensor] : found.tensors) names.push_back(name);
  const auto& family = recognise(names);
  const auto flat = [&](const auto& t) { return family.block_of(t.first).has_value(); };
  if (std::ranges::none_of(found.tensors, staged) || std::ranges::none_of(found.tensors, flat))
    return;
  const auto dropped = std::erase_if(found.tensors, [&](const auto& t) { return !staged(t); });
  found.left_out.push_back(
      fmt::format("{} flat names (second names of tensors in stages.*)", dropped));
}

std::vector<std::int64_t> integers(const TorchValue* value) {
  std::vector<std::int64_t> numbers;
  const auto* list = value ? value->as<List>() : nullptr;
  if (list == nullptr) return numbers;
  for (const auto* item : *list) {
    const auto* number = item->as<std::int64_t>();
    if (number == nullptr || *number < 1 || *number > kMostStages) return {};
    numbers.push_back(*number);
  }
  return numbers;
}

// A module of the published Python; -1 counts from the end. Without its place it has flat names.
void add_module(const TorchValue& root, Found& found, WeightFile& out) {
  out.depths = integers(root.find("divided_depths"));
  const auto count = static_cast<std::int64_t>(out.depths.size());
  const auto* index = root.find("block_index");
  const auto* number = index ? index->as<std::int64_t>() : nullptr;
  std::string prefix;
  if (number && *number < kMostStages && *number + (*number < 0 ? count : 0) >= 0)
    prefix = fmt::format("stages.{}.", *number + (*number < 0 ? count : 0));
  if (!number || *number >= count || prefix.empty()) out.depths.clear();
  add_dict(root.find("block_state_dict"), prefix, found);
}

void add_stages(const List& stages, Found& found) {
  if (stages.size() > kMostStages) fail("model_stages has {} stages", stages.size());
  for (std::size_t i = 0; i < stages.size(); ++i)
    add_dict(stages[i], stages.size() == 1 ? "" : fmt::format("stages.{}.", i), found);
}

const char* add_weights(const TorchValue& root, Found& found, WeightFile& out) {
  if (root.find("block_state_dict")) {
    add_module(root, found, out);
    return "block_state_dict";
  }
  const auto* stages = root.find("model_stages");
  if (stages && stages->as<List>() && !stages->as<List>()->empty()) {
    add_stages(*stages->as<List>(), found);
    return "model_stages";
  }
  for (const auto* name : {"model", "state_dict", "model_state_dict", "model_ema", "state_dict_ema",
                           "ema", "teacher", "student"})
    if (const auto* value = root.find(name); holds_tensors(value)) {
      add_dict(value, "", found);
      return name;
    }
  if (holds_tensors(&root)) {
    add_dict(&root, "", found);
    return nullptr;
  }
  fail(
      "it holds {} and no weights [neither itself nor its entries block_state_dict, model_stages, "
      "model, state_dict, model_state_dict, model_ema, state_dict_ema, ema, teacher, student are "
      "dictionaries of tensors]",
      root.describe());
}

// Beside the weights: states of the training, and the same weights once more.
void list_others(const TorchValue& root, const std::string& taken, Found& found) {
  for (const auto& [key, value] : *root.as<Dict>()) {
    const auto* name = key->as<std::string>();
    const std::string shown = name ? *name : key->describe();
    if (shown == taken) continue;
    found.left_out.push_back(shown + (holds_tensors(value)
                                          ? " (the weights are taken from " + taken + ")"
                                          : " (no weights)"));
  }
}

}  // namespace

WeightFile find_weights(const TorchFile& file) {
  const auto& root = file.root();
  if (!root.as<Dict>()) fail("it holds {}, not a dictionary of tensors", root.describe());
  WeightFile out;
  Found found;
  if (const auto* taken = add_weights(root, found, out)) list_others(root, taken, found);
  strip_wrappers(found);
  drop_second_names(found);
  for (const auto& [name, tensor] : found.tensors)
    out.tensors.emplace_back(name, file.read(*tensor));
  out.left_out = std::move(found.left_out);
  return out;
}

}  // namespace m2mkd
