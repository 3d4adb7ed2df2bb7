#include <charconv>

#include <fmt/format.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/nn/tensor_names.hpp>

namespace m2mkd {

namespace {

constexpr std::string_view blocks = "blocks.";

// The number at the front of `text`, which `mark` ends; it is cut off with its mark. Nothing when
// there is none.
std::optional<std::int64_t> take_number(std::string_view& text, char mark) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const auto length = static_cast<std::size_t>(end - text.data());
  if (error != std::errc() || number < 0 || length == text.size() || text[length] != mark)
    return std::nullopt;
  if (text[0] == '0' && length > 1) return std::nullopt;  // "01" would come back as "1"
  text.remove_prefix(length + 1);
  return number;
}

}  // namespace

std::string StagedName::text(char mark) const {
  return stage < 0 ? fmt::format("shared{}{}", mark, key)
                   : fmt::format("stages{0}{1}{0}{2}", mark, stage, key);
}

std::optional<StagedName> parse_staged(const std::string& name) {
  for (const char mark : {'/', '.'}) {
    std::string_view rest = name;
    if (rest.starts_with(std::string("shared") + mark) && rest.size() > 7)
      return StagedName{-1, std::string(rest.substr(7))};
    if (!rest.starts_with(std::string("stages") + mark)) continue;
    rest.remove_prefix(7);
    const auto stage = take_number(rest, mark);
    if (stage && *stage < kMostStages && !rest.empty())
      return StagedName{static_cast<int>(*stage), std::string(rest)};
  }
  return std::nullopt;
}

std::optional<std::int64_t> number_behind(std::string_view prefix, const std::string& name) {
  std::string_view rest = name;
  if (!rest.starts_with(prefix)) return std::nullopt;
  rest.remove_prefix(prefix.size());
  return take_number(rest, '.');
}

std::string with_block(const std::string& key, std::int64_t shift) {
  std::string_view rest = key;
  rest.remove_prefix(blocks.size());
  const auto block = take_number(rest, '.').value();
  return fmt::format("{}{}.{}", blocks, block + shift, rest);
}

}  // namespace m2mkd
