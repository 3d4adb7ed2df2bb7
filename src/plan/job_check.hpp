#pragma once
// Contradictions between the networks and settings of one job.

#include <m2mkd/plan/job.hpp>

namespace m2mkd {

/// Appends what does not fit: stages, widths, tokens, images, batches.
void check_job(const Job& job, std::vector<std::string>& problems);

/// Appends where the data of a job and of one whose network it starts from do not belong together:
/// classes, normalisation, test set.
void check_parent(const Job& job, const Job& parent, std::vector<std::string>& problems);

}  // namespace m2mkd
