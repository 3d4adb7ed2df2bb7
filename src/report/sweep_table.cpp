#include "sweep_table.hpp"

#include <algorithm>
#include <cmath>

#include <m2mkd/report/comparison.hpp>

namespace m2mkd {

namespace {

using Names = std::vector<std::string>;
using Grid = std::vector<std::vector<Mean>>;  // by method and prior

std::size_t place(const Names& names, const std::string& name) {
  return static_cast<std::size_t>(std::ranges::find(names, name) - names.begin());
}

void add_once(Names& names, const std::string& name) {
  if (std::ranges::count(names, name) == 0) names.push_back(name);
}

// A cell with fewer values than `most` says how many.
std::string mean_text(const Mean& mean, int most) {
  if (mean.n == 0) return "-";
  std::string text = fmt::format("{:.2f}", mean.mean);
  if (mean.n > 1) text += fmt::format(" ± {:.2f}", mean.sd);
  if (mean.n < most) text += fmt::format(" ({})", mean.n);
  return text;
}

std::string grid_text(const Names& methods, const Names& priors, const Grid& grid, int most) {
  std::size_t name_width = 14, width = 10;
  for (const auto& method : methods) name_width = std::max(name_width, method.size() + 1);
  for (const auto& prior : priors) width = std::max(width, prior.size() + 3);
  for (const auto& line : grid)
    for (const auto& mean : line)
      width = std::max(width, mean_text(mean, most).size() + 2);  // ± has two bytes
  std::string text;
  if (priors != Names{""}) {
    text += fmt::format("{:<{}}", "method", name_width);
    for (const auto& prior : priors)
      text += fmt::format("{:>{}}", prior.empty() ? "-" : prior, width);
    text += "\n";
  }
  for (std::size_t m = 0; m < methods.size(); ++m) {
    if (std::ranges::all_of(grid[m], [](const Mean& mean) { return mean.n == 0; })) continue;
    text += fmt::format("{:<{}}", methods[m], name_width);
    for (const auto& mean : grid[m]) text += fmt::format("{:>{}}", mean_text(mean, most), width);
    text += "\n";
  }
  return text;
}

}  // namespace

std::string sweep_table(const TableFile& summary) {
  const Comparison comparison = compare_runs({run_summary({}, summary)});
  Names methods, priors, evaluations;
  for (const auto& row : comparison.methods) {
    add_once(methods, row.method);
    add_once(priors, row.prior);
    add_once(evaluations, row.evaluation);
  }
  if (method_rows(summary).size() == methods.size()) return {};

  const auto grid = [&](const std::string& evaluation, Mean MethodComparison::*mean) {
    Grid cells(methods.size(), std::vector<Mean>(priors.size(), mean_of({})));
    for (const auto& row : comparison.methods)
      if (row.evaluation == evaluation)
        cells[place(methods, row.method)][place(priors, row.prior)] = row.*mean;
    return cells;
  };
  const auto most_of = [](const Grid& cells) {
    int most = 0;
    for (const auto& line : cells)
      for (const auto& mean : line) most = std::max(most, mean.n);
    return most;
  };
  std::string text;
  for (const auto& evaluation : evaluations) {
    const Grid acc1 = grid(evaluation, &MethodComparison::acc1),
               assembled = grid(evaluation, &MethodComparison::assembled);
    const int most = most_of(acc1);
    text += "\nacc1 %" + (evaluation == "test" ? "" : " on " + evaluation);
    if (most > 1)
      text += fmt::format(", mean ± standard deviation over {} seeds{}", most,
                          text_or_empty(summary.attributes, "seeds_of") == "final"
                              ? " of the end-to-end phase (all before it is shared)"
                              : "");
    text += ":\n" + grid_text(methods, priors, acc1, most);
    if (most_of(assembled) > 0)
      text += "\nassembled, before training:\n" + grid_text(methods, priors, assembled, most);
  }
  return text;
}

}  // namespace m2mkd
