#pragma once
// What a run came to: summary.h5, and the comparison table for a reader.

#include <string>

#include <m2mkd/plan/recipe.hpp>
#include <m2mkd/run/build.hpp>
#include <m2mkd/store/table_file.hpp>

namespace m2mkd {

/// From the attributes of the finished module files: /methods/<method>, /hybrids, /jobs, /timeline.
/// Jobs that are not finished are left out, and so are methods whose final job is not. Ratios are
/// to e2e's of the same prior and seed, absent without it.
TableFile summarise(const JobList& list, const RunFolder& folder, const Config& config);

/// A group of /methods and what its attributes say it is; in files without them its name is all.
struct MethodRow {
  std::string name, method, prior;  ///< "m2mkd_erdos_renyi_seed2", "m2mkd", "erdos_renyi" or empty
  std::int64_t seed = -1;           ///< of run.seeds; -1: none
  const Attributes* attributes = nullptr;             ///< in the summary
  double number(const std::string& attribute) const;  ///< NaN where absent
};
std::vector<MethodRow> method_rows(const TableFile& summary);

/// The table with ± standard error, the rows meta, teacher, hybrids and assembled-before-training,
/// and warnings where a precondition of a comparison does not hold. With several priors or seeds a
/// table of methods by priors follows, means and deviations over the seeds.
std::string comparison_table(const TableFile& summary);

}  // namespace m2mkd
