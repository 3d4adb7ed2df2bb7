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
    const Config config = shared_config(files, line, session);
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
