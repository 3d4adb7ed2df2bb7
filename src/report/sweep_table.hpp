#pragma once
// The compact table of a run with several priors or seeds.

#include <m2mkd/report/summary.hpp>

namespace m2mkd {

/// Methods by priors, accuracy after and before training, mean and standard deviation over the
/// seeds, as compare_runs() has them; empty for a run with neither.
std::string sweep_table(const TableFile& summary);

}  // namespace m2mkd
