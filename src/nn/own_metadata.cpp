#include "own_metadata.hpp"

#include <algorithm>

#include <m2mkd/base/error.hpp>
#include <m2mkd/config/value.hpp>
#include <m2mkd/nn/family.hpp>
#include <m2mkd/store/attribute_text.hpp>

namespace m2mkd {

namespace {

constexpr const char* stages_entry = "m2mkd.stages";
constexpr const char* attributes_entry = "m2mkd.attributes";
constexpr const char* digest_entry = "m2mkd.digest";

std::vector<std::int64_t> depths_of(const std::string& text) {
  try {
    auto depths = parse_value<std::vector<std::int64_t>>(text);
    if (std::ranges::all_of(depths, [](auto blocks) { return blocks >= 1; })) return depths;
  } catch (const std::exception&) {  // as if it were not there
  }
  return {};
}

// Names of some student modules do not tell its place.
void give_stage(WeightFile& file) {
  const auto stage = file.attributes.find("stage");
  if (stage == file.attributes.end()) return;
  const auto* number = std::get_if<std::int64_t>(&stage->second);
  const auto& family = recognise(file.tensors);
  const bool students = std::ranges::none_of(
      file.tensors, [&](const auto& t) { return family.tells_stage(t.first); });
  if (number == nullptr || *number < 0 || *number >= kMostStages || !students) return;
  for (auto& [name, tensor] : file.tensors)
    name = StagedName{static_cast<int>(*number), name}.text('.');
}

}  // namespace

Metadata own_metadata(const NamedTensors& tensors, const std::vector<std::int64_t>& depths,
                      const Attributes& attributes) {
  Metadata metadata{{stages_entry, print_value(depths)}, {digest_entry, tensors_digest(tensors)}};
  if (!attributes.empty()) metadata[attributes_entry] = attribute_text(attributes);
  return metadata;
}

void take_metadata(const Metadata& metadata, WeightFile& file) {
  const auto find = [&](const char* name) {
    const auto entry = metadata.find(name);
    return entry == metadata.end() ? std::string() : entry->second;
  };
  file.depths = depths_of(find(stages_entry));
  const auto told = find(digest_entry);
  if (told.empty()) return;  // nothing says that the rest speaks of these weights
  if (const auto digest = tensors_digest(file.tensors); digest != told)
    fail(
        "its weights are not those that this program wrote into it: their digest is {}, its own "
        "entry {} says {} [damaged, or changed by hand: then remove the entries m2mkd.*]",
        digest, digest_entry, told);
  file.attributes = attributes_from_text(find(attributes_entry));
  give_stage(file);
}

}  // namespace m2mkd
