#pragma once
// What a run came to: summary.h5, and the comparison table for a reader.

#include <string>

#include <m2mkd/plan/build.hpp>
#include <m2mkd/plan/recipe.hpp>
#include <m2mkd/store/table_file.hpp>

namespace m2mkd {

/// From the attributes of the finished module files: /methods/<method>, /hybrids, /jobs, /timeline.
/// Jobs that are not finished are left out, and so are methods whose final job is not. Ratios are
/// absent without e2e.
TableFile summarise(const JobList& list, const RunFolder& folder, const Config& config);

/// The table with ± standard error, the rows meta, teacher, hybrids and assembled-before-training,
/// and warnings where a precondition of a comparison does not hold.
std::string comparison_table(const TableFile& summary);

}  // namespace m2mkd
