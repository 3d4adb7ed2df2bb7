#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include <boost/program_options/parsers.hpp>

#include <m2mkd/base/error.hpp>
#include <m2mkd/config/settings.hpp>

#include "key_text.hpp"

namespace m2mkd {
namespace {

/// The lines of one INI text. Boost parses; but it stops at the first bad line, names no line, and
/// takes some lines that nobody means (`; a = b` is a key, `[]` is undefined behaviour). So bad
/// lines are reported here and blanked before it sees them.
struct Scan {
  std::string good;              ///< the text without bad lines
  std::vector<int> assignments;  ///< line numbers of the `key = value` lines in `good`, in order
};

/// What is wrong with a line that is neither blank nor a section, or an empty string.
std::string line_complaint(std::string_view line) {
  if (line.front() == ';') return "';' does not start a comment; use '#'";
  const auto equals = line.find('=');
  if (equals == std::string_view::npos)
    return "'" + std::string(line) + "' is neither 'key = value' nor '[section]'";
  const auto key = trimmed(line.substr(0, equals));
  if (!is_key(key))
    return "'" + std::string(key) +
           "' cannot be a key: keys are letters, digits, '_', '-' and dots";
  return value_complaint(trimmed(line.substr(equals + 1)));
}

Scan scan(std::string_view text, const std::string& source, std::vector<std::string>& problems) {
  if (text.starts_with("\xEF\xBB\xBF"))
    text.remove_prefix(3);  // the byte order mark of some editors
  Scan result;
  bool section_is_good = true;
  for (int number = 1; !text.empty(); ++number) {
    const auto end = text.find('\n');
    const auto line = trimmed(text.substr(0, end).substr(0, text.substr(0, end).find('#')));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty()) continue;

    std::string complaint;
    const bool is_section = line.front() == '[' && line.back() == ']';
    if (is_section) {
      section_is_good = is_key(line.substr(1, line.size() - 2));
      if (!section_is_good) complaint = "'" + std::string(line) + "' cannot be a section";
    } else {
      complaint = line_complaint(line);
    }
    if (!complaint.empty()) {
      problems.push_back(Origin{source, number}.text() + ": " + complaint);
    } else if (section_is_good) {  // keys under a bad section would land in the one before it
      result.good += std::string(line) + "\n";
      if (!is_section) result.assignments.push_back(number);
    }
  }
  return result;
}

}  // namespace

std::string Origin::text() const {
  return line > 0 ? source + ":" + std::to_string(line) : source;
}

void Settings::set(const std::string& key, std::string value, Origin origin) {
  if (!is_key(key))
    throw ConfigError(origin.text() + ": '" + key +
                      "' cannot be a key: keys are letters, digits, '_', '-' and dots");
  value = std::string(trimmed(value));
  if (const auto complaint = value_complaint(value); !complaint.empty())
    throw ConfigError(origin.text() + ": " + key + ": " + complaint);
  values_.insert_or_assign(key, Setting{key, std::move(value), std::move(origin)});
}

void Settings::add_ini(std::string_view text, const std::string& source,
                       std::vector<std::string>& problems) {
  const Scan lines = scan(text, source, problems);
  std::istringstream stream(lines.good);
  const auto parsed = boost::program_options::parse_config_file(
                          stream, boost::program_options::options_description{}, true)
                          .options;
  require(parsed.size() == lines.assignments.size(),
          "Settings::add_ini: one parsed option per assignment");

  std::map<std::string, int> first_lines;
  for (std::size_t i = 0; i < parsed.size(); ++i) {
    const auto& key = parsed[i].string_key;
    const Origin origin{source, lines.assignments[i]};
    const auto [first, is_new] = first_lines.emplace(key, origin.line);
    if (is_new)
      set(key, parsed[i].value.at(0), origin);
    else
      problems.push_back(fmt::format("{}: key '{}' was already set on line {}; keep one",
                                     origin.text(), key, first->second));
  }
}

void Settings::add_file(const std::filesystem::path& path, std::vector<std::string>& problems) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (std::filesystem::is_directory(path)) {
    problems.push_back(path.string() + ": is a folder, not a configuration file");
  } else if (!file || (file.peek() != EOF && !(text << file.rdbuf()))) {
    problems.push_back(fmt::format("{}: cannot be read [{}]{}", path.string(), std::strerror(errno),
                                   taken_from(path)));
  } else {
    add_ini(text.str(), path.string(), problems);
  }
}

const Setting* Settings::find(std::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

std::string Settings::ini() const {
  std::map<std::string, std::string> sections;  // the nameless one sorts, and must stand, first
  for (const auto& [key, setting] : values_) {
    const auto section = ini_section(key);
    sections[section] +=
        ini_line(section.empty() ? key : key.substr(section.size() + 1), setting.value);
  }
  std::string text;
  for (const auto& [section, lines] : sections) {
    if (!text.empty()) text += "\n";
    if (!section.empty()) text += "[" + section + "]\n";
    text += lines;
  }
  return text;
}

}  // namespace m2mkd
