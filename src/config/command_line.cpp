#include <algorithm>

#include <boost/program_options/parsers.hpp>

#include <m2mkd/base/error.hpp>
#include <m2mkd/config/settings.hpp>

#include "key_text.hpp"

namespace m2mkd {
namespace {

namespace po = boost::program_options;

bool holds(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// How this program reads one flag. Boost's own reading would need every setting registered to give
/// it a value, and would take
/// `-1` after a flag for another flag.
class FlagReader {
 public:
  FlagReader(const std::vector<std::string>& value_flags, const std::vector<std::string>& switches)
      : value_flags_(value_flags), switches_(switches) {}

  /// Boost's style parser: takes the flag at the front of `tokens`, with its value; leaves words
  /// and `--` alone.
  std::vector<po::option> operator()(std::vector<std::string>& tokens) {
    const std::string token = tokens.front();
    if (token.size() < 2 || token[0] != '-' || token == "--") return {};
    tokens.erase(tokens.begin());
    if (token[1] != '-') {
      unknown(token, token.substr(1));
      return {po::option()};
    }
    const auto equals = token.find('=');
    const std::string name = token.substr(2, equals == std::string::npos ? equals : equals - 2);
    const bool adjacent = equals != std::string::npos;
    const bool dotted = name.find('.') != std::string::npos,
               needs_value = holds(value_flags_, name);
    po::option option(name, {});

    if (dotted ? !is_key(name) : !needs_value && !holds(switches_, name)) {
      unknown(token.substr(0, equals), name);
    } else if (adjacent) {
      if (!dotted && !needs_value)
        problems.push_back(fmt::format("command line: flag --{} takes no value", name));
      option.value = {token.substr(equals + 1)};
    } else if ((dotted || needs_value) && !tokens.empty() && !tokens.front().starts_with("--")) {
      option.value = {tokens.front()};
      tokens.erase(tokens.begin());
    } else {
      if (needs_value)
        problems.push_back(fmt::format("command line: flag --{} needs a value", name));
      option.value = {"true"};
    }
    return {option};
  }

  std::vector<std::string> problems;

 private:
  void unknown(const std::string& written, const std::string& name) {
    std::vector<std::string> known = value_flags_;
    known.insert(known.end(), switches_.begin(), switches_.end());
    std::string text = fmt::format("command line: unknown flag '{}'", written);
    if (const auto near = nearest(name, known); !near.empty())
      text += fmt::format("; did you mean '--{}'?", near);
    else if (!known.empty())
      text += fmt::format("; known: --{}, and settings as --section.key", fmt::join(known, " --"));
    else
      text += "; settings are written --section.key";
    problems.push_back(text);
  }

  const std::vector<std::string>& value_flags_;
  const std::vector<std::string>& switches_;
};

}  // namespace

CommandLine split_command_line(const std::vector<std::string>& arguments,
                               const std::vector<std::string>& value_flags,
                               const std::vector<std::string>& switches) {
  FlagReader reader(value_flags, switches);
  const po::options_description nothing_registered;
  // Long flags only, and no guessing of abbreviations.
  const auto parsed =
      po::command_line_parser(arguments)
          .options(nothing_registered)
          .style(po::command_line_style::allow_long | po::command_line_style::long_allow_adjacent |
                 po::command_line_style::long_allow_next)
          .extra_style_parser(std::ref(reader))
          .allow_unregistered()
          .run();
  if (!reader.problems.empty()) throw ConfigError(reader.problems);

  CommandLine result;
  for (const auto& option : parsed.options) {
    if (option.string_key.empty())
      result.words.insert(result.words.end(), option.value.begin(), option.value.end());
    else if (option.string_key.find('.') != std::string::npos)
      result.settings.emplace_back(option.string_key, option.value.at(0));
    else
      result.flags[option.string_key] = option.value.at(0);
  }
  return result;
}

}  // namespace m2mkd
