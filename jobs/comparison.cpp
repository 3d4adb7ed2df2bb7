#include "comparison.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <sstream>

#include <m2mkd/base/error.hpp>

namespace m2mkd {

namespace {

const std::string methods_prefix = "methods/";

// Settings that repetitions share, as "[section] line": without what they are called and which seed
// they have.
std::set<std::string> shared_settings(const RunSummary& run) {
  std::set<std::string> settings;
  const auto config = run.table.attributes.find("config");
  if (config == run.table.attributes.end()) return settings;
  std::istringstream lines(text_attribute(run.table.attributes, "config"));
  std::string section;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('['))
      section = line;
    else if (!line.empty() && section != "[run]" && section != "[seed]" && section != "[machine]")
      settings.insert(section + " " + line);
  }
  return settings;
}

void warn_of_other_settings(const std::vector<RunSummary>& runs,
                            std::vector<std::string>& warnings) {
  const auto first = shared_settings(runs.front());
  for (std::size_t i = 1; i < runs.size(); ++i) {
    std::vector<std::string> differences;
    std::ranges::set_symmetric_difference(first, shared_settings(runs[i]),
                                          std::back_inserter(differences));
    if (!differences.empty())
      warnings.push_back(fmt::format(
          "{} has other settings than {}, so their mean may mean nothing ({}{})",
          runs[i].dir.string(), runs.front().dir.string(), differences.front(),
          differences.size() > 1 ? fmt::format(" and {} more", differences.size() - 1) : ""));
  }
}

void warn_of_equal_seeds(const std::vector<RunSummary>& runs, const std::string& method,
                         std::vector<std::string>& warnings) {
  std::map<std::int64_t, int> count;
  for (const auto& run : runs)
    if (!std::isnan(run.number(method, "acc1")) && ++count[run.seed] == 2)
      warnings.push_back(fmt::format(
          "{}: seed {} occurs more than once: these runs are no independent repetitions", method,
          run.seed));
}

// acc1 of `method` minus that of `first`: within a run, or else with the only other run of the same
// seed that has it.
std::vector<double> differences(const std::vector<RunSummary>& runs, const std::string& method,
                                const std::string& first) {
  std::vector<double> values;
  for (const auto& run : runs) {
    const double own = run.number(method, "acc1");
    double other = run.number(first, "acc1");
    if (std::isnan(own)) continue;
    if (std::isnan(other)) {
      const auto fits = [&](const RunSummary& r) {
        return r.seed == run.seed && !std::isnan(r.number(first, "acc1"));
      };
      if (std::ranges::count_if(runs, fits) == 1)
        other = std::ranges::find_if(runs, fits)->number(first, "acc1");
    }
    if (!std::isnan(other)) values.push_back(own - other);
  }
  return values;
}

}  // namespace

std::vector<std::string> RunSummary::methods() const {
  std::vector<std::string> names;
  for (const auto& group : table.groups)
    if (group.path.starts_with(methods_prefix))
      names.push_back(group.path.substr(methods_prefix.size()));
  return names;
}

double RunSummary::number(const std::string& method, const std::string& name) const {
  const auto* group = table.find(methods_prefix + method);
  return group == nullptr || !group->attributes.contains(name)
             ? std::nan("")
             : number_attribute(group->attributes, name);
}

RunSummary read_run_summary(const std::filesystem::path& dir) {
  const auto path = dir / "summary.h5";
  if (!std::filesystem::is_directory(dir))
    fail("'{}' is no run directory: there is no such folder", dir.string());
  if (!std::filesystem::exists(path))
    fail(
        "'{}' has no summary.h5 [it is written when all jobs of a run are finished]: m2mkd status "
        "{} tells how far it is",
        dir.string(), dir.string());
  RunSummary run{dir, 0, read_table_file(path)};
  run.seed = integer_attribute(run.table.attributes, "seed");
  return run;
}

Comparison compare_runs(const std::vector<RunSummary>& runs) {
  Comparison result;
  std::vector<std::string> names;
  for (const auto& run : runs)
    for (const auto& name : run.methods())
      if (std::ranges::count(names, name) == 0) names.push_back(name);
  for (const auto& name : names) {
    MethodComparison method{name, {}, {}, {}, {}, {}, {}, {}};
    const auto values = [&](const char* attribute) {
      std::vector<double> all;
      for (const auto& run : runs) all.push_back(run.number(name, attribute));
      return all;
    };
    method.acc1s = values("acc1");
    method.acc1 = mean_of(method.acc1s);
    method.assembled = mean_of(values("acc1_assembled"));
    method.time_ratio = mean_of(values("time_ratio"));
    method.flops_ratio = mean_of(values("flops_ratio"));
    method.flops_ratio_all = mean_of(values("flops_ratio_all"));
    method.difference = mean_of(differences(runs, name, names.front()));
    result.methods.push_back(std::move(method));
    warn_of_equal_seeds(runs, name, result.warnings);
  }
  warn_of_other_settings(runs, result.warnings);
  return result;
}

}  // namespace m2mkd
