#pragma once
// Attributes as one JSON object, for files that have no attributes of their own.

#include <string>

#include <m2mkd/store/attributes.hpp>

namespace m2mkd {

/// {"name": value}; numbers that are not finite become null.
std::string attribute_text(const Attributes& attributes);
/// The inverse for what attribute_text() made; entries of other types are left out, and of what is
/// no JSON object nothing comes.
Attributes attributes_from_text(const std::string& text);

}  // namespace m2mkd
