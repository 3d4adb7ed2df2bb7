#include <limits>

#include <m2mkd/base/error.hpp>
#include <m2mkd/store/attributes.hpp>

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

std::string text_or_empty(const Attributes& attributes, const std::string& name) {
  return attributes.contains(name) ? text_attribute(attributes, name) : "";
}

double number_or_nan(const Attributes& attributes, const std::string& name) {
  return attributes.contains(name) ? number_attribute(attributes, name)
                                   : std::numeric_limits<double>::quiet_NaN();
}

std::int64_t integer_or_zero(const Attributes& attributes, const std::string& name) {
  return attributes.contains(name) ? integer_attribute(attributes, name) : 0;
}

}  // namespace m2mkd
