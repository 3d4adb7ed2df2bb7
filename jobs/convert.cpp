#include <algorithm>

#include "command.hpp"
#include "conversion.hpp"

namespace m2mkd {

namespace {

template <class T>
T parse_flag(const std::string& flag, const std::string& text) {
  try {
    return parse_value<T>(text);
  } catch (const std::exception& problem) {
    throw ConfigError("--" + flag + " " + text + ": " + problem.what());
  }
}

bool is_h5(const std::filesystem::path& path) {
  return path.extension() == ".h5";
}

ConversionRequest read_request(const CommandLine& line) {
  const auto words = operands(line, 2, 2, "IN and OUT");
  ConversionRequest request{words[0], words[1], {}, {}, "student", line.settings};
  for (const auto& path : {request.in, request.out})
    if (!is_h5(path) && path.extension() != ".safetensors")
      throw ConfigError("'" + path.string() + "': supported suffixes are .h5 and .safetensors");
  if (is_h5(request.in) == is_h5(request.out))
    throw ConfigError("one of IN and OUT is an .h5 file, the other a .safetensors file");
  if (!line.flags.contains("model"))
    throw ConfigError("m2mkd convert needs --model NAME, " + value_type<ModelName>());
  request.model = parse_flag<ModelName>("model", line.flags.at("model"));
  if (line.flags.contains("stages"))
    request.stages = parse_flag<std::vector<std::int64_t>>("stages", line.flags.at("stages"));

  Config::read({}, line.settings);  // unknown keys and wrong values, all at once
  std::vector<std::string> sections;
  for (const auto* section : {"meta", "teacher", "student"})
    if (std::ranges::any_of(line.settings, [&](const auto& s) {
          return s.first.starts_with(std::string(section) + ".");
        }))
      sections.emplace_back(section);
  if (sections.size() > 1)
    throw ConfigError(
        "a file holds one network: give settings of meta, teacher or student, not of several");
  if (!sections.empty()) request.section = sections.front();
  for (const auto& [key, value] : line.settings) {
    if (key != request.section + ".depths") continue;
    const auto depths = parse_flag<std::vector<std::int64_t>>(key, value);
    if (!request.stages.empty() && request.stages != depths)
      throw ConfigError("--stages and --" + key + " differ; give one");
    request.stages = depths;
  }
  if (std::ranges::any_of(request.stages, [](auto blocks) { return blocks < 1; }))
    throw ConfigError("--stages: every stage needs at least one block");
  return request;
}

}  // namespace

ExitCode convert_command(const CommandLine& line) {
  const ConversionRequest request = read_request(line);
  const ConversionOutcome outcome = is_h5(request.in) ? to_safetensors(request) : to_h5(request);
  for (const auto& text : outcome.lines) fmt::print("{}\n", text);
  fmt::print("{}\n", outcome.summary);
  return ExitCode::finished;
}

}  // namespace m2mkd
