#pragma once
// Named values of a file or a group: numbers, integers and texts.

#include <cstdint>
#include <map>
#include <string>
#include <variant>

namespace m2mkd {

using Attribute = std::variant<std::int64_t, double, std::string>;
using Attributes = std::map<std::string, Attribute>;

/// Typed access; throws Error naming the attribute when absent or of another type. An integer is
/// also a number.
std::string text_attribute(const Attributes& attributes, const std::string& name);
double number_attribute(const Attributes& attributes, const std::string& name);
std::int64_t integer_attribute(const Attributes& attributes, const std::string& name);

/// Of files that may not tell: empty, NaN or 0 where the attribute is absent.
std::string text_or_empty(const Attributes& attributes, const std::string& name);
double number_or_nan(const Attributes& attributes, const std::string& name);
std::int64_t integer_or_zero(const Attributes& attributes, const std::string& name);

}  // namespace m2mkd
