#include <fmt/format.h>

#include <m2mkd/config/schema.hpp>

#include "key_text.hpp"

namespace m2mkd {
namespace {

std::string comment(std::string_view text) {
  std::string result;
  while (true) {
    const auto end = text.find('\n');
    result += "# " + std::string(text.substr(0, end)) + "\n";
    if (end == std::string_view::npos) return result;
    text.remove_prefix(end + 1);
  }
}

std::string header(const Schema::Section& section) {
  if (section.only_named) return "# [" + section.name + ".NAME]\n";
  return section.name.empty() ? "" : "[" + section.name + "]\n";
}

std::string section_comment(const Schema::Section& section) {
  std::string text = comment(section.title);
  if (!section.inherits.empty())
    text +=
        fmt::format("# Takes the keys of [{}] as well; what is not set here is looked up there.\n",
                    fmt::join(section.inherits, "], ["));
  if (section.qualified && !section.only_named)
    text += fmt::format("# [{}.NAME] sets keys for NAME alone.\n", section.name);
  return text;
}

}  // namespace

std::string Schema::defaults() const {
  std::string text;
  for (const auto& section : sections_) {
    text += (text.empty() ? "" : "\n") + section_comment(section) + header(section);
    const bool commented = section.only_named || !section.inherits.empty();
    for (const auto& line : section.lines)
      text += comment(line.help + " (" + line.type + ")") + (commented ? "# " : "") +
              ini_line(line.key, line.value);
  }
  return text;
}

std::string Schema::heading(std::string_view key) const {
  const Section* best = nullptr;
  for (const auto& section : sections_)
    if (key.starts_with(section.name + ".") && (!best || section.name.size() > best->name.size()))
      best = &section;
  if (!best) return ini_section(key);
  const auto rest = key.substr(best->name.size() + 1);
  if (!best->qualified || knows(best->name, rest) || rest.find('.') == std::string_view::npos)
    return best->name;
  return best->name + "." + std::string(rest.substr(0, rest.find('.')));
}

std::string Schema::resolved(const Settings& settings) const {
  std::string complete;
  for (const auto& section : sections_) {
    if (section.only_named || !section.inherits.empty()) continue;
    complete += "\n" + header(section);
    for (const auto& line : section.lines) {
      const Setting* setting =
          settings.find(section.name.empty() ? line.key : section.name + "." + line.key);
      complete += ini_line(line.key, setting ? setting->value : line.value);
    }
  }

  std::map<std::string, std::string> rest;  // heading → lines
  for (const auto& [key, setting] : settings.all()) {
    const auto under = heading(key);
    const auto name = under.empty() ? key : key.substr(under.size() + 1);
    const Section* section = find(under);
    if (section && section->inherits.empty() && knows(under, name)) continue;  // printed above
    rest[under] += ini_line(name, setting.value);
  }

  std::string text = rest[""];
  rest.erase("");
  text += complete;
  for (const auto& [under, lines] : rest) text += "\n[" + under + "]\n" + lines;
  return text.starts_with("\n") ? text.substr(1) : text;
}

}  // namespace m2mkd
