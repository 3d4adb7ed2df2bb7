#pragma once
// The settings as text: key → value, with the place where each was written. Later files win over
// earlier ones, flags over files.
//
// INI as Boost.Program_options reads it: `[section]`, `key = value`, `#` starts a comment. A key is
// `section.name`; sections may hold dots: `[final.e2e]` + `epochs = 3` is `final.e2e.epochs`.

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace m2mkd {

/// Where a setting was written.
struct Origin {
  std::string source;        ///< file name, "command line" or "built in"
  int line = 0;              ///< 1-based; 0 where lines make no sense
  std::string text() const;  ///< "configs/a.ini:12" or "command line"
};

struct Setting {
  std::string key;    ///< in full: "train.epochs"
  std::string value;  ///< trimmed text as written; ${NAME} not yet expanded
  Origin origin;
};

class Settings {
 public:
  /// Adds `key = value`; replaces an earlier value.
  void set(const std::string& key, std::string value, Origin origin);
  /// Adds a whole INI text. Problems (syntax, a key twice in one file) are appended to `problems`
  /// with file and line.
  void add_ini(std::string_view text, const std::string& source,
               std::vector<std::string>& problems);
  /// The same from a file. A file that cannot be read is a problem.
  void add_file(const std::filesystem::path& path, std::vector<std::string>& problems);

  void erase(const std::string& key) { values_.erase(key); }

  const Setting* find(std::string_view key) const;
  const std::map<std::string, Setting, std::less<>>& all() const { return values_; }
  /// INI text that add_ini() reads back to the same settings, grouped by section.
  std::string ini() const;

 private:
  std::map<std::string, Setting, std::less<>> values_;
};

/// A split command line: positional words and `--key value` / `--key=value` flags (the `--`
/// dropped). A flag without a value is "true". Flags with a dot are settings; the others belong to
/// the command. No abbreviations.
struct CommandLine {
  std::vector<std::string> words;
  std::vector<std::pair<std::string, std::string>> settings;  ///< "train.epochs" → "2"
  std::map<std::string, std::string> flags;                   ///< "ranks" → "8"
};
/// Splits argv[1..]. `value_flags` take a value, `switches` take none; any other undotted flag is a
/// ConfigError that names the nearest.
CommandLine split_command_line(const std::vector<std::string>& arguments,
                               const std::vector<std::string>& value_flags,
                               const std::vector<std::string>& switches);

/// `${NAME}` and a leading `~/` replaced from the environment. An unset variable is an Error that
/// names it.
std::string expand_environment(std::string_view text);

/// "; the path is taken from the folder DIR" of a relative path; else empty.
std::string taken_from(const std::filesystem::path& path);

/// The candidate nearest to `word` by edit distance, or empty when none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);
/// "; did you mean 'NAME'?" with the nearest, or empty.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace m2mkd
