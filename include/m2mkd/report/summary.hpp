#pragma once
// What a run came to: summary.h5, and the comparison table for a reader.

#include <string>

#include <m2mkd/plan/recipe.hpp>
#include <m2mkd/run/build.hpp>
#include <m2mkd/store/table_file.hpp>
#include <m2mkd/train/results.hpp>

namespace m2mkd {

/// From the finished module files: /results and /evaluations (train/results.hpp) of all jobs,
/// /methods/<method>, /hybrids, /jobs, /timeline. Jobs that are not finished are left out, and so
/// are methods of which a leaf is not. Ratios are to e2e's of the same prior and seed, absent
/// without it.
TableFile summarise(const JobList& list, const RunFolder& folder, const Config& config);

/// A leaf of a method: what the method's group in /methods says it is (in files without attributes
/// its name is all), and what its network was scored as.
struct MethodRow {
  std::string name, method, prior;  ///< "m2mkd_erdos_renyi_seed2", "m2mkd", "erdos_renyi" or empty;
                                    ///< of a further leaf "m2mkd finetune"
  std::int64_t seed = -1;           ///< of run.seeds; -1: none
  std::string job;                  ///< the leaf
  bool first = true;                ///< of the method's leaves
  const Attributes* attributes = nullptr;             ///< the method's, in the summary
  Results results;                                    ///< of the leaf alone
  double number(const std::string& attribute) const;  ///< of the method; NaN where absent
};
std::vector<MethodRow> method_rows(const TableFile& summary);

/// Names of the evaluations of a summary, `test` first.
std::vector<std::string> evaluation_names(const TableFile& summary);

/// The table with ± standard error, the rows meta, teacher, hybrids and assembled-before-training,
/// and warnings where a precondition of a comparison does not hold. With several priors or seeds a
/// table of methods by priors follows, means and deviations over the seeds.
std::string comparison_table(const TableFile& summary);

}  // namespace m2mkd
