#include "prior_table.hpp"

#include <algorithm>

#include <m2mkd/nn/nac.hpp>
#include <m2mkd/run/prior_files.hpp>

namespace m2mkd {
namespace {

struct Measure {
  const char* name;
  double GraphReport::*value;
};
constexpr Measure kMeasures[]{
    {"recall", &GraphReport::recall}, {"false_positives", &GraphReport::false_positives},
    {"kept", &GraphReport::kept},     {"added", &GraphReport::added},
    {"active", &GraphReport::active}, {"links_per_row", &GraphReport::links_per_row}};

}  // namespace

std::optional<TableGroup> prior_group(const JobList& list, const RunFolder& folder) {
  std::vector<std::int64_t> rows;
  std::vector<std::string> jobs, priors;
  std::vector<double> density;
  std::vector<std::vector<double>> fitted(std::size(kMeasures)), trained(std::size(kMeasures));
  for (const auto& job : list.jobs) {
    const auto standing = prior_standing(job, folder);
    if (!standing) continue;
    rows.push_back(static_cast<std::int64_t>(rows.size()));
    jobs.push_back(job.name);
    priors.emplace_back(enum_name(job.model.own<NacOptions>().prior.prior));
    density.push_back(standing->fitted.density);
    for (std::size_t i = 0; i < std::size(kMeasures); ++i) {
      fitted[i].push_back(standing->fitted.*kMeasures[i].value);
      trained[i].push_back(standing->trained.*kMeasures[i].value);
    }
  }
  if (rows.empty()) return std::nullopt;
  TableGroup group{
      "priors", {}, {{"row", rows}, {"job", jobs}, {"prior", priors}, {"density", density}}};
  for (std::size_t i = 0; i < std::size(kMeasures); ++i) {
    group.columns.emplace_back(std::string("fitted_") + kMeasures[i].name, fitted[i]);
    group.columns.emplace_back(std::string("trained_") + kMeasures[i].name, trained[i]);
  }
  return group;
}

std::string prior_table(const TableFile& summary) {
  const TableGroup* group = summary.find("priors");
  if (group == nullptr) return {};
  const auto numbers = [&](const std::string& name) -> const std::vector<double>& {
    return std::get<std::vector<double>>(
        std::ranges::find(group->columns, name, &std::pair<std::string, Column>::first)->second);
  };
  const auto& jobs = std::get<std::vector<std::string>>(group->columns[1].second);
  std::size_t width = 0;
  for (const auto& job : jobs) width = std::max(width, job.size() + 1);
  std::string text = fmt::format(
      "\n{:<{}}{:>9}{:>16}{:>16}{:>16}{:>16}\n", "graph of the mediators, as fitted and trained",
      std::max<std::size_t>(width, 45), "density", "recall", "added", "active", "links/row");
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    text += fmt::format("{:<{}}{:>9.4f}", jobs[i], std::max<std::size_t>(width, 45),
                        numbers("density")[i]);
    for (const auto* name : {"recall", "added", "active", "links_per_row"})
      text += fmt::format("{:>8.3f}{:>8.3f}", numbers(std::string("fitted_") + name)[i],
                          numbers(std::string("trained_") + name)[i]);
    text += "\n";
  }
  return text;
}

}  // namespace m2mkd
