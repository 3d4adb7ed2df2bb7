#include "sweep_table.hpp"

#include <algorithm>
#include <cmath>

#include <m2mkd/base/statistics.hpp>

namespace m2mkd {

namespace {

using Names = std::vector<std::string>;
using Grid = std::vector<std::vector<Mean>>;  // by method and prior

void add_once(Names& names, const std::string& name) {
  if (std::ranges::count(names, name) == 0) names.push_back(name);
}

Grid means(const std::vector<MethodRow>& rows, const Names& methods, const Names& priors,
           const std::string& attribute) {
  Grid grid;
  for (const auto& method : methods) {
    auto& line = grid.emplace_back();
    for (const auto& prior : priors) {
      std::vector<double> values;
      for (const auto& row : rows)
        if (row.method == method && row.prior == prior) values.push_back(row.number(attribute));
      line.push_back(mean_of(values));
    }
  }
  return grid;
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
  const auto rows = method_rows(summary);
  Names methods, priors;
  for (const auto& row : rows) {
    add_once(methods, row.method);
    add_once(priors, row.prior);
  }
  if (rows.size() == methods.size()) return {};

  const Grid acc1 = means(rows, methods, priors, "acc1"),
             assembled = means(rows, methods, priors, "acc1_assembled");
  const auto most_of = [](const Grid& grid) {
    int most = 0;
    for (const auto& line : grid)
      for (const auto& mean : line) most = std::max(most, mean.n);
    return most;
  };
  const int most = most_of(acc1);
  std::string text = "\nacc1 %";
  if (most > 1) {
    const auto of = summary.attributes.find("seeds_of");
    const bool final =
        of != summary.attributes.end() && std::get<std::string>(of->second) == "final";
    text += fmt::format(", mean ± standard deviation over {} seeds{}", most,
                        final ? " of the end-to-end phase (all before it is shared)" : "");
  }
  text += ":\n" + grid_text(methods, priors, acc1, most);
  if (most_of(assembled) > 0)
    text += "\nassembled, before training:\n" + grid_text(methods, priors, assembled, most);
  return text;
}

}  // namespace m2mkd
