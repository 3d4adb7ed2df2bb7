#include "key_text.hpp"

#include <algorithm>

namespace m2mkd {
namespace {

constexpr std::string_view blanks = " \t\r\n";

bool is_key_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  const auto start = text.find_first_not_of(blanks);
  if (start == std::string_view::npos) return {};
  return text.substr(start, text.find_last_not_of(blanks) - start + 1);
}

bool is_key(std::string_view text) {
  if (text.empty() || text.front() == '.' || text.back() == '.' ||
      text.find("..") != std::string_view::npos)
    return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return c == '.' || is_key_letter(c); });
}

std::vector<std::string> key_words(std::string_view key) {
  std::vector<std::string> words{""};
  for (char c : key) {
    if (c == '.')
      words.emplace_back();
    else
      words.back() += c;
  }
  return words;
}

std::string value_complaint(std::string_view value) {
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (value[i] == '#')
      return "a value cannot hold '#', which starts a comment also inside quotes";
    if (value[i] == ';' && (i == 0 || value[i - 1] == ' ' || value[i - 1] == '\t'))
      return "';' does not start a comment here; use '#'";
    if (static_cast<unsigned char>(value[i]) < ' ' && value[i] != '\t')
      return "a value cannot hold line breaks or control characters";
  }
  return {};
}

std::string ini_line(std::string_view key, std::string_view value) {
  return std::string(key) + (value.empty() ? " =" : " = ") + std::string(value) + "\n";
}

std::string ini_section(std::string_view key) {
  const auto first = key.find('.');
  if (first == std::string_view::npos) return {};
  const auto second = key.find('.', first + 1);
  return std::string(key.substr(0, second == std::string_view::npos ? first : second));
}

}  // namespace m2mkd
