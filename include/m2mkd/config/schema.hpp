#pragma once
// Which sections and keys exist: finds unknown ones with the nearest valid name, prints the
// commented template and the resolved text.
//
// A section may be qualified, `[final.e2e]`, `[meta.incubation]`, `[data.distill]`; what qualifies
// it is told to unknown().

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <m2mkd/config/keys.hpp>

namespace m2mkd {

class Schema {
 public:
  /// Section → the words that may qualify it.
  using Qualifiers = std::map<std::string, std::vector<std::string>>;

  struct Section {
    std::string
        name;  ///< "train"; empty for keys that stand before all sections (declare it first)
    std::string title;  ///< one line for the template
    struct Line {
      std::string key, value, type, help;  ///< value = the default's text
    };
    std::vector<Line> lines;
    /// Sections whose keys are valid here too and are looked up next: distill → train.
    std::vector<std::string> inherits;
    bool qualified = false;   ///< may `[name.QUALIFIER]` be written?
    bool only_named = false;  ///< `[name]` itself may not
  };

  /// Declares a section with the keys of one options struct; defaults are those of O{}.
  template <class O>
  void section(std::string name, std::string title, const Keys<O>& keys,
               std::vector<std::string> inherits = {}, bool qualified = false) {
    Section section{std::move(name), std::move(title), {}, std::move(inherits), qualified};
    const O defaults{};
    for (const auto& key : keys.keys())
      section.lines.push_back({key.name, key.print(defaults), key.type, key.help});
    sections_.push_back(std::move(section));
  }
  /// The same for a section of which there may be any number, each as `[name.QUALIFIER]`.
  template <class O>
  void named_section(std::string name, std::string title, const Keys<O>& keys) {
    section(std::move(name), std::move(title), keys, {}, true);
    sections_.back().only_named = true;
  }

  /// True if `name` (without section) is a key of `section` or of what it inherits.
  bool knows(std::string_view section, std::string_view name) const;

  /// One problem per setting whose key is not declared, with file, line and the nearest valid key.
  /// `qualifiers[section]` = the words that may qualify it. `free_sections`: sections checked
  /// elsewhere (their keys pass).
  std::vector<std::string> unknown(const Settings& settings, const Qualifiers& qualifiers,
                                   const std::vector<std::string>& free_sections) const;

  /// Commented INI template: every section, key, default, type and help (`--print-defaults`). Keys
  /// of inheriting sections are commented out, for as written values they would hide what is set in
  /// the section they inherit from.
  std::string defaults() const;
  /// Resolved INI: for sections that inherit nothing every key with its value (set or default), for
  /// the others what was set. Reads back to the same resolved settings (`--print-config`; stored in
  /// every output file).
  std::string resolved(const Settings& settings) const;

 private:
  const Section* find(std::string_view name) const;
  /// Every key that is valid in `section`: its own and the inherited ones.
  std::vector<std::string> names(const Section& section) const;
  /// What to say after "unknown key": the nearest valid key or section. `valid` = all keys in full.
  std::string hint(const std::string& key, const std::vector<std::string>& valid,
                   const Qualifiers& qualifiers,
                   const std::vector<std::string>& free_sections) const;
  /// The `[section]` that a set key is printed under.
  std::string heading(std::string_view key) const;
  std::vector<Section> sections_;
};

}  // namespace m2mkd
