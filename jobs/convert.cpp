#include <algorithm>

#include <m2mkd/convert/conversion.hpp>

#include "command.hpp"

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

std::int64_t positive_flag(const CommandLine& line, const std::string& flag) {
  const auto number = parse_flag<std::int64_t>(flag, line.flags.at(flag));
  if (number < 1) throw ConfigError("--" + flag + " must be at least 1");
  return number;
}

ForeignRequest read_request(const std::vector<std::string>& words, const CommandLine& line) {
  for (const auto& word : words)
    if (const auto complaint = weight_file_complaint(word); !complaint.empty())
      throw ConfigError("'" + word + "' " + complaint);
  if (!line.flags.contains("model"))
    throw ConfigError("m2mkd convert needs --model NAME, " + value_type<const Family*>());
  ForeignRequest request;
  request.path = words[0];
  request.family = parse_flag<const Family*>("model", line.flags.at("model"));
  request.settings = line.settings;
  request.seed = static_cast<std::uint64_t>(Config::read({}, line.settings).run.seed);
  request.section = model_section(line.settings);
  if (line.flags.contains("stages"))
    request.stages = parse_flag<std::vector<std::int64_t>>("stages", line.flags.at("stages"));
  if (line.flags.contains("stage")) {
    const auto stage = parse_flag<std::int64_t>("stage", line.flags.at("stage"));
    if (stage < 0 || stage >= kMostStages) throw ConfigError("--stage counts from 0");
    request.only = static_cast<int>(stage);
  }
  if (line.flags.contains("image-size")) request.image_size = positive_flag(line, "image-size");
  if (line.flags.contains("classes")) request.classes = positive_flag(line, "classes");
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
  const auto words = operands(line, 2, 2, "IN and OUT");
  const auto outcome = convert(read_request(words, line), words[1]);
  for (const auto& text : outcome.lines) fmt::print("{}\n", text);
  fmt::print("{}\n", outcome.summary);
  return ExitCode::finished;
}

}  // namespace m2mkd
