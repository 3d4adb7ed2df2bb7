#pragma once
// How the graphs of a run's NACs stand to their priors, before and after training.

#include <m2mkd/report/summary.hpp>

namespace m2mkd {

/// Group "priors": a row per finished end-to-end training of a NAC; nothing where there is none.
std::optional<TableGroup> prior_group(const JobList& list, const RunFolder& folder);

/// The same as lines of the comparison table.
std::string prior_table(const TableFile& summary);

}  // namespace m2mkd
