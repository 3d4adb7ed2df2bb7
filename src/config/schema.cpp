#include <algorithm>
#include <limits>
#include <optional>
#include <set>

#include <fmt/format.h>

#include <m2mkd/config/schema.hpp>

#include "key_text.hpp"
#include "near.hpp"

namespace m2mkd {
namespace {

/// Sum of the words' distances when every word of `key` is near its partner in `candidate`.
std::optional<std::size_t> key_distance(const std::vector<std::string>& key,
                                        const std::string& candidate) {
  const auto words = key_words(candidate);
  if (words.size() != key.size()) return std::nullopt;
  std::size_t sum = 0;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto distance = near_miss(key[i], words[i]);
    if (!distance) return std::nullopt;
    sum += *distance;
  }
  return sum;
}

}  // namespace

const Schema::Section* Schema::find(std::string_view name) const {
  for (const auto& section : sections_)
    if (section.name == name) return &section;
  return nullptr;
}

std::vector<std::string> Schema::names(const Section& section) const {
  std::vector<std::string> result;
  for (const auto& line : section.lines) result.push_back(line.key);
  for (const auto& parent : section.inherits)
    if (const Section* found = find(parent)) {
      const auto more = names(*found);
      result.insert(result.end(), more.begin(), more.end());
    }
  return result;
}

bool Schema::knows(std::string_view section, std::string_view name) const {
  const Section* found = find(section);
  if (!found) return false;
  const auto known = names(*found);
  return std::find(known.begin(), known.end(), name) != known.end();
}

std::vector<std::string> Schema::unknown(const Settings& settings, const Qualifiers& qualifiers,
                                         const std::vector<std::string>& free_sections) const {
  std::vector<std::string> keys;  // every key that may be written, in full
  for (const auto& section : sections_) {
    std::vector<std::string> prefixes;
    if (!section.only_named) prefixes.push_back(section.name.empty() ? "" : section.name + ".");
    if (const auto found = qualifiers.find(section.name);
        section.qualified && found != qualifiers.end())
      for (const auto& word : found->second) prefixes.push_back(section.name + "." + word + ".");
    for (const auto& prefix : prefixes)
      for (const auto& name : names(section)) keys.push_back(prefix + name);
  }
  const std::set<std::string_view> valid(keys.begin(), keys.end());

  std::vector<std::string> problems;
  for (const auto& [key, setting] : settings.all()) {
    const bool is_free =
        std::any_of(free_sections.begin(), free_sections.end(),
                    [&key = key](const auto& free) { return key.starts_with(free + "."); });
    if (!is_free && !valid.contains(key))
      problems.push_back(setting.origin.text() + ": unknown key '" + key + "'" +
                         hint(key, keys, qualifiers, free_sections));
  }
  return problems;
}

std::string Schema::hint(const std::string& key, const std::vector<std::string>& valid,
                         const Qualifiers& qualifiers,
                         const std::vector<std::string>& free_sections) const {
  const auto words = key_words(key);
  std::string best;
  std::size_t least = std::numeric_limits<std::size_t>::max();
  for (const auto& candidate : valid)
    if (const auto distance = key_distance(words, candidate); distance && *distance < least) {
      least = *distance;
      best = candidate;
    }
  if (!best.empty()) return fmt::format("; did you mean '{}'?", best);

  const Section* section = find(words.front());
  if (section && section->qualified && words.size() > 2) {
    const auto found = qualifiers.find(section->name);
    const auto known = found == qualifiers.end() ? std::vector<std::string>{} : found->second;
    if (std::find(known.begin(), known.end(), words[1]) == known.end())
      return fmt::format("; [{}.{}]: '{}' is none of: {}", words[0], words[1], words[1],
                         fmt::join(known, " "));
  }
  for (const auto& candidate : valid)  // the right name in the wrong section
    if (candidate.ends_with("." + words.back()))
      return fmt::format("; did you mean '{}'?", candidate);
  if (section)
    return fmt::format("; [{}] has no such key (--print-defaults lists all keys)", words.front());

  std::vector<std::string> all = free_sections;
  for (const auto& each : sections_) all.push_back(each.name);
  const auto near = nearest(words.front(), all);
  if (!near.empty())
    return fmt::format("; there is no section [{}]: did you mean [{}]?", words.front(), near);
  return fmt::format("; there is no section [{}]; sections: {}", words.front(),
                     fmt::join(all, " "));
}

}  // namespace m2mkd
