#include "safetensors_header.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <tuple>

#include <nlohmann/json.hpp>

#include <m2mkd/base/error.hpp>

namespace m2mkd {
namespace {

using Header = nlohmann::json;

constexpr const char* kMetadata = "__metadata__";

struct ExchangeElement {
  at::ScalarType type;
  const char* name;
};

constexpr ExchangeElement kExchangeElements[] = {
    {at::kDouble, "F64"}, {at::kFloat, "F32"}, {at::kHalf, "F16"}, {at::kBFloat16, "BF16"},
    {at::kLong, "I64"},   {at::kInt, "I32"},   {at::kByte, "U8"},  {at::kBool, "BOOL"},
};

std::string known_elements() {
  std::string names;
  for (const auto& element : kExchangeElements)
    names += (names.empty() ? "" : ", ") + std::string(element.name);
  return names;
}

const char* element_name(const SafetensorsEntry& entry) {
  for (const auto& element : kExchangeElements)
    if (element.type == entry.type) return element.name;
  fail("tensor '{}': element type {} has no name in .safetensors; convert it first", entry.name,
       at::toString(entry.type));
}

at::ScalarType type_of_name(const std::string& name) {
  for (const auto& element : kExchangeElements)
    if (name == element.name) return element.type;
  fail("element type '{}' is none of {}", name, known_elements());
}

/// Parses, refusing what JSON allows and the format does not: a name given twice (of which parsers
/// keep one or the other), and deep nesting (which costs memory out of proportion).
Header parse_json(const std::string& text) {
  std::array<std::set<std::string>, 2> seen;  // keys of the header, keys of the present entry
  const auto watch = [&](int depth, Header::parse_event_t event, const Header& parsed) {
    using Event = Header::parse_event_t;
    const bool opens = event == Event::object_start || event == Event::array_start;
    if (opens && depth > 2) fail("its header is nested more deeply than the format has it");
    if (event == Event::object_start && depth == 1) seen[1].clear();
    if (event == Event::key && (depth == 1 || depth == 2)) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!seen[static_cast<std::size_t>(depth - 1)].insert(key).second)
        fail("its header has '{}' twice", key);
    }
    return true;
  };
  try {
    return Header::parse(text, watch);
  } catch (const Header::exception& problem) {
    fail("its header is not JSON ({})", problem.what());
  }
}

std::vector<std::int64_t> counts(const Header& json, const char* what) {
  if (!json.is_array()) fail("'{}' is not a list", what);
  std::vector<std::int64_t> numbers;
  for (const auto& item : json) {
    const bool fits = item.is_number_unsigned() && item.get<std::uint64_t>() <= INT64_MAX;
    if (!fits) fail("'{}' holds {}, which is not a count", what, item.dump());
    numbers.push_back(item.get<std::int64_t>());
  }
  return numbers;
}

std::int64_t byte_size(const std::vector<std::int64_t>& shape, at::ScalarType type) {
  auto bytes = static_cast<std::int64_t>(c10::elementSize(type));
  for (const auto extent : shape)
    if (__builtin_mul_overflow(bytes, extent, &bytes)) fail("its shape is larger than any memory");
  return bytes;
}

SafetensorsEntry parse_entry(const std::string& name, const Header& json, std::int64_t data_bytes) {
  for (const auto* key : {"dtype", "shape", "data_offsets"})
    if (!json.is_object() || !json.contains(key)) fail("'{}' is missing", key);
  if (!json["dtype"].is_string()) fail("'dtype' is not a text");
  SafetensorsEntry entry{name, type_of_name(json["dtype"].get<std::string>()),
                         counts(json["shape"], "shape"), 0, 0};
  const auto offsets = counts(json["data_offsets"], "data_offsets");
  if (offsets.size() != 2 || offsets[0] > offsets[1])
    fail("'data_offsets' {} is not a begin and an end", json["data_offsets"].dump());
  if (offsets[1] > data_bytes)
    fail("its data end at byte {}, but the file holds {} bytes of data (truncated?)", offsets[1],
         data_bytes);
  entry.begin = offsets[0];
  entry.end = offsets[1];
  if (const auto bytes = byte_size(entry.shape, entry.type); entry.end - entry.begin != bytes)
    fail("shape and element type make {} bytes, 'data_offsets' {}", bytes, entry.end - entry.begin);
  return entry;
}

std::map<std::string, std::string> parse_metadata(const Header& json) {
  std::map<std::string, std::string> metadata;
  if (!json.is_object()) fail("'{}' is not an object of texts", kMetadata);
  for (const auto& [key, value] : json.items()) {
    if (!value.is_string()) fail("'{}' holds '{}', which is not a text", kMetadata, key);
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

/// Entries sorted by their data: each must begin where the one before ends.
void check_cover(const std::vector<SafetensorsEntry>& entries, std::int64_t data_bytes) {
  std::int64_t next = 0;
  for (const auto& entry : entries) {
    if (entry.begin < next) fail("tensor '{}': its data overlap another tensor's", entry.name);
    if (entry.begin > next)
      fail("bytes {} to {} of the data belong to no tensor", next, entry.begin);
    next = entry.end;
  }
  if (next != data_bytes) fail("{} bytes at its end belong to no tensor", data_bytes - next);
}

}  // namespace

std::string SafetensorsHeader::text() const {
  auto json = nlohmann::ordered_json::object();
  if (!metadata.empty()) json[kMetadata] = metadata;
  for (const auto& entry : entries)
    // push_back: looking for the name first would cost the square of the number of tensors.
    json.get_ref<nlohmann::ordered_json::object_t&>().push_back(
        {entry.name,
         {{"dtype", element_name(entry)},
          {"shape", entry.shape},
          {"data_offsets", {entry.begin, entry.end}}}});
  std::string text;
  try {
    text = json.dump();
  } catch (const Header::exception& problem) {
    fail("a name or text is not UTF-8 ({})", problem.what());
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

SafetensorsHeader SafetensorsHeader::parse(const std::string& text, std::int64_t data_bytes) {
  if (!text.starts_with('{')) fail("it is not a .safetensors file (its header is no JSON object)");
  const auto json = parse_json(text);
  SafetensorsHeader header;
  for (const auto& [name, value] : json.items()) {
    if (name == kMetadata) {
      header.metadata = parse_metadata(value);
      continue;
    }
    try {
      header.entries.push_back(parse_entry(name, value, data_bytes));
    } catch (const Error& problem) {
      fail("tensor '{}': {}", name, problem.what());
    }
  }
  std::ranges::sort(header.entries, {},
                    [](const auto& entry) { return std::tie(entry.begin, entry.end, entry.name); });
  check_cover(header.entries, data_bytes);
  return header;
}

}  // namespace m2mkd
