#include <charconv>
#include <cmath>

#include <m2mkd/config/settings.hpp>
#include <m2mkd/config/value.hpp>

namespace m2mkd {
namespace {

template <class Number>
Number read_number(std::string_view text, const char* what) {
  std::string_view digits = text;
  if (digits.size() > 1 && digits[0] == '+' && digits[1] != '-') digits.remove_prefix(1);
  Number value{};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error == std::errc::result_out_of_range)
    throw std::invalid_argument("too large or too small");
  if (error != std::errc() || end != digits.data() + digits.size())
    throw std::invalid_argument(std::string("not ") + what);
  return value;
}

template <class Number>
std::string number_text(Number value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

}  // namespace

std::vector<std::string> split_list(std::string_view text) {
  constexpr std::string_view separators = " \t,";
  std::vector<std::string> words;
  while (true) {
    const auto start = text.find_first_not_of(separators);
    if (start == std::string_view::npos) return words;
    text.remove_prefix(start);
    const auto end = std::min(text.find_first_of(separators), text.size());
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

template <>
bool parse_value<bool>(std::string_view text) {
  for (auto yes : {"true", "yes", "on", "1"})
    if (text == yes) return true;
  for (auto no : {"false", "no", "off", "0"})
    if (text == no) return false;
  throw std::invalid_argument("not true or false");
}

template <>
std::int64_t parse_value<std::int64_t>(std::string_view text) {
  return read_number<std::int64_t>(text, "an integer");
}

template <>
double parse_value<double>(std::string_view text) {
  const auto value = read_number<double>(text, "a number");
  if (std::isnan(value)) throw std::invalid_argument("not a number");
  return value;
}

template <>
std::string parse_value<std::string>(std::string_view text) {
  return std::string(text);
}

template <>
std::filesystem::path parse_value<std::filesystem::path>(std::string_view text) {
  return expand_environment(text);
}

template <>
std::string print_value<bool>(const bool& value) {
  return value ? "true" : "false";
}

template <>
std::string print_value<std::int64_t>(const std::int64_t& value) {
  return number_text(value);
}

template <>
std::string print_value<double>(const double& value) {
  return number_text(value);
}

template <>
std::string print_value<std::string>(const std::string& value) {
  return value;
}

template <>
std::string print_value<std::filesystem::path>(const std::filesystem::path& value) {
  return value.string();
}

// clang-format off
template <> std::string value_type<bool>() { return "true or false"; }
template <> std::string value_type<std::int64_t>() { return "integer"; }
template <> std::string value_type<double>() { return "number"; }
template <> std::string value_type<std::string>() { return "text"; }
template <> std::string value_type<std::filesystem::path>() { return "path"; }
// clang-format on

}  // namespace m2mkd
