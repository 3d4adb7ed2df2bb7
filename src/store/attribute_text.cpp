#include <nlohmann/json.hpp>

#include <m2mkd/store/attribute_text.hpp>

using Json = nlohmann::ordered_json;

namespace m2mkd {

std::string attribute_text(const Attributes& attributes) {
  Json json = Json::object();
  for (const auto& [name, value] : attributes)
    std::visit([&](const auto& v) { json[name] = v; }, value);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Attributes attributes_from_text(const std::string& text) {
  const auto json = Json::parse(text, nullptr, false);
  Attributes attributes;
  if (!json.is_object()) return attributes;
  const auto storable = [](const std::string& word) {
    return word.find('\0') == std::string::npos;
  };
  for (const auto& [name, value] : json.items()) {
    if (name.empty() || !storable(name)) continue;
    if (value.is_string() && storable(value.get_ref<const std::string&>()))
      attributes[name] = value.get<std::string>();
    if (value.is_number_integer()) attributes[name] = value.get<std::int64_t>();
    if (value.is_number_float()) attributes[name] = value.get<double>();
  }
  return attributes;
}

}  // namespace m2mkd
