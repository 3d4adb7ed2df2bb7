#include <charconv>
#include <cstdio>
#include <map>

#include <nlohmann/json.hpp>

#include <m2mkd/base/log.hpp>
#include <m2mkd/base/stopwatch.hpp>
#include <m2mkd/check/check.hpp>
#include <m2mkd/comm/on_root.hpp>
#include <m2mkd/plan/recipe.hpp>

#include "command.hpp"
#include "parallel.hpp"

namespace m2mkd {

namespace {

// A flag's number from `least` to `most`; `otherwise` where the flag is absent.
template <class T>
T number_flag(const CommandLine& line, const std::string& name, T otherwise, T least, T most) {
  const auto it = line.flags.find(name);
  if (it == line.flags.end()) return otherwise;
  const auto& text = it->second;
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() ||
      !(value >= least && value <= most))
    throw ConfigError(
        fmt::format("--{} {}: a number from {} to {} is needed", name, text, least, most));
  return value;
}

nlohmann::ordered_json finding_json(const Finding& finding) {
  return {{"gate", finding.gate},
          {"subject", finding.subject},
          {"verdict", enum_name(finding.verdict)},
          {"text", finding.text}};
}

// Counts by verdict, in words.
std::string verdict_line(const std::map<Verdict, int>& counts, double seconds) {
  std::string text;
  for (const auto& [verdict, name] : EnumNames<Verdict>::names)
    if (const auto it = counts.find(verdict); it != counts.end())
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", it->second, name);
  return fmt::format("check: {} ({} in {})\n",
                     counts.contains(Verdict::wrong)     ? "WRONG, do not start this run"
                     : counts.contains(Verdict::warning) ? "no fault found, but warnings"
                                                         : "no fault found",
                     text, duration_text(seconds));
}

}  // namespace

ExitCode check_command(const CommandLine& line) {
  const auto files = operands(line, 1, 100, "one or several CONFIG.ini");
  CheckOptions options;
  options.ranks = number_flag(line, "ranks", 0, 1, 1 << 20);
  options.steps = number_flag<std::int64_t>(line, "steps", options.steps, 1, 100000);
  options.seconds = number_flag(line, "seconds", options.seconds, 0.0, 1e6);
  options.all_images = line.flags.contains("all-images");
  const bool json = line.flags.contains("json");
  return in_session([&](Session& session) {
    const auto& world = session.world();
    log::set_speaker(world.rank(), world.size(), false);  // findings speak, loading does not
    const Config config = Config::from_text(on_root(world,
                                                    [&] {
                                                      const Config read = read_config(files, line);
                                                      make_jobs(read);
                                                      return read.text();
                                                    }),
                                            files.front());
    if (config.run.threads > 0) session.set_threads(static_cast<int>(config.run.threads));
    const Stopwatch watch;
    std::map<Verdict, int> counts;
    nlohmann::ordered_json findings = nlohmann::ordered_json::array();
    const Verdict worst = check(config, session, options, [&](const Finding& finding) {
      ++counts[finding.verdict];
      findings.push_back(finding_json(finding));
      if (json) return;
      fmt::print("{:<9}{:<27} {:<8}{}\n", finding.gate, finding.subject, enum_name(finding.verdict),
                 finding.text);
      std::fflush(stdout);
    });
    if (world.rank() == 0 && json)
      fmt::print("{}\n", nlohmann::ordered_json{{"verdict", enum_name(worst)},
                                                {"ranks", world.size()},
                                                {"seconds", watch.seconds()},
                                                {"findings", findings}}
                             .dump(1));
    if (world.rank() == 0 && !json) fmt::print("{}", verdict_line(counts, watch.seconds()));
    return worst == Verdict::wrong ? ExitCode::failed : ExitCode::finished;
  });
}

}  // namespace m2mkd
