#pragma once
// Text ↔ value for every type that a setting may have. Printing and parsing round-trip.
//
// Types: bool (true/false/yes/no/on/off/1/0), std::int64_t, double, std::string,
// std::filesystem::path (environment expanded), lists of these written with blanks or commas, and
// any enum with an `EnumNames<E>` specialisation.

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace m2mkd {

/// Specialise with `static constexpr std::array<std::pair<E, std::string_view>, N> names{...}`.
template <class E>
struct EnumNames;

template <class E>
std::string_view enum_name(E value) {
  for (const auto& [e, name] : EnumNames<E>::names)
    if (e == value) return name;
  return "?";
}

/// Throws std::invalid_argument with the reason.
template <class T>
T parse_value(std::string_view text);
template <class T>
std::string print_value(const T& value);
/// For messages and help: "integer", "list of numbers", "one of: a b".
template <class T>
std::string value_type();

std::vector<std::string> split_list(std::string_view text);  ///< by blanks and commas

// clang-format off
template <> bool parse_value<bool>(std::string_view);
template <> std::int64_t parse_value<std::int64_t>(std::string_view);
template <> double parse_value<double>(std::string_view);
template <> std::string parse_value<std::string>(std::string_view);
template <> std::filesystem::path parse_value<std::filesystem::path>(std::string_view);
template <> std::string print_value<bool>(const bool&);
template <> std::string print_value<std::int64_t>(const std::int64_t&);
template <> std::string print_value<double>(const double&);  // shortest text that reads back to the same bits
template <> std::string print_value<std::string>(const std::string&);
template <> std::string print_value<std::filesystem::path>(const std::filesystem::path&);
template <> std::string value_type<bool>();
template <> std::string value_type<std::int64_t>();
template <> std::string value_type<double>();
template <> std::string value_type<std::string>();
template <> std::string value_type<std::filesystem::path>();
// clang-format on

namespace detail {
template <class T>
struct IsList : std::false_type {};
template <class T>
struct IsList<std::vector<T>> : std::true_type {};
}  // namespace detail

template <class T>
T parse_value(std::string_view text) {
  if constexpr (detail::IsList<T>::value) {
    T list;
    for (const auto& word : split_list(text))
      list.push_back(parse_value<typename T::value_type>(word));
    return list;
  } else {
    std::string known;
    for (const auto& [e, name] : EnumNames<T>::names) {
      if (name == text) return e;
      known += (known.empty() ? "" : ", ") + std::string(name);
    }
    throw std::invalid_argument("not one of: " + known);
  }
}

template <class T>
std::string print_value(const T& value) {
  if constexpr (detail::IsList<T>::value) {
    std::string text;
    for (const auto& item : value)
      text += (text.empty() ? "" : " ") + print_value<typename T::value_type>(item);
    return text;
  } else {
    return std::string(enum_name(value));
  }
}

template <class T>
std::string value_type() {
  if constexpr (detail::IsList<T>::value) {
    const auto item = value_type<typename T::value_type>();
    return item.starts_with("one of:") ? "list of:" + item.substr(7) : "list of " + item + "s";
  } else {
    std::string text = "one of:";
    for (const auto& [e, name] : EnumNames<T>::names) text += " " + std::string(name);
    return text;
  }
}

/// What a value must be, for Keys::add: the call gives a complaint, empty for a good value; text()
/// is printed beside the default ("1 to 100"; empty where the complaint alone can say it).
template <class T>
class Check {
 public:
  Check() = default;
  template <class F>
  requires std::is_invocable_r_v<std::string, F, const T&> Check(
      F complaint, std::string text = {})  // a function alone is a check
      : complaint_(std::move(complaint)), text_(std::move(text)) {}

  std::string operator()(const T& value) const { return complaint_ ? complaint_(value) : ""; }
  const std::string& text() const { return text_; }

 private:
  std::function<std::string(const T&)> complaint_;
  std::string text_;
};

/// Numbers from `low` to `high`, both included.
template <class T>
Check<T> within(T low, T high) {
  const std::string range = print_value<T>(low) + " to " + print_value<T>(high);
  return {
      [=](const T& v) { return v >= low && v <= high ? std::string() : "must be from " + range; },
      range};
}
/// The same without `high` itself: a share that must not be all.
template <class T>
Check<T> below(T low, T high) {
  const std::string range = print_value<T>(low) + " to below " + print_value<T>(high);
  return {
      [=](const T& v) { return v >= low && v < high ? std::string() : "must be from " + range; },
      range};
}
/// Lists of at least `least` numbers from `low` to `high`.
template <class T>
Check<std::vector<T>> each_within(T low, T high, std::size_t least = 0) {
  const std::string range = "each " + print_value<T>(low) + " to " + print_value<T>(high);
  return {[=](const std::vector<T>& list) -> std::string {
            if (list.size() < least)
              return "needs at least " + std::to_string(least) + " number" + (least > 1 ? "s" : "");
            for (const T& v : list)
              if (!(v >= low && v <= high))
                return print_value<T>(v) + " is not from " + range.substr(5);
            return {};
          },
          range};
}

}  // namespace m2mkd
