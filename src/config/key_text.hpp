#pragma once
// What may stand in an INI file, so that everything that is written can be read back.

#include <string>
#include <string_view>
#include <vector>

namespace m2mkd {

std::string_view trimmed(std::string_view text);

/// Non-empty words of letters, digits, `_` and `-`, joined by dots: a key or a section's name.
bool is_key(std::string_view text);

/// The words between the dots.
std::vector<std::string> key_words(std::string_view key);

/// Why a value cannot stand in an INI file, or an empty string.
std::string value_complaint(std::string_view value);

/// "key = value\n"
std::string ini_line(std::string_view key, std::string_view value);

/// The section under which a key is written: its first word, or its first two (`[method.NAME]`
/// holds dotted keys).
std::string ini_section(std::string_view key);

}  // namespace m2mkd
