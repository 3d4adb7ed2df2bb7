#include <m2mkd/base/error.hpp>
#include <m2mkd/store/tensor_file.hpp>

namespace m2mkd {
namespace {

const Attribute& find(const Attributes& attributes, const std::string& name) {
  const auto found = attributes.find(name);
  if (found == attributes.end()) fail("attribute '{}' is missing", name);
  return found->second;
}

}  // namespace

std::string text_attribute(const Attributes& attributes, const std::string& name) {
  const auto* text = std::get_if<std::string>(&find(attributes, name));
  if (!text) fail("attribute '{}' is a number where a text is expected", name);
  return *text;
}

double number_attribute(const Attributes& attributes, const std::string& name) {
  const auto& value = find(attributes, name);
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return static_cast<double>(*integer);
  const auto* number = std::get_if<double>(&value);
  if (!number) fail("attribute '{}' is a text where a number is expected", name);
  return *number;
}

std::int64_t integer_attribute(const Attributes& attributes, const std::string& name) {
  const auto* integer = std::get_if<std::int64_t>(&find(attributes, name));
  if (!integer) fail("attribute '{}' is not the integer that is expected", name);
  return *integer;
}

}  // namespace m2mkd
