#pragma once
// What the run directory says about each job. Rank 0 alone asks.

#include <m2mkd/plan/build.hpp>
#include <m2mkd/plan/recipe.hpp>

namespace m2mkd {

/// Steps after which the job is finished: its schedule's, or train.max_steps.
std::int64_t wanted_steps(const Job& job);

/// True if the job's module file is there, finished, whole and made by the same settings and
/// parents. Otherwise the job is to be (re)started or continued: leftovers of other settings are
/// removed with run.redo, prolonged with run.extend, else refused (Error with the differing keys).
bool is_finished(const Job& job, const RunFolder& folder, const Digests& digests,
                 const RunOptions& run);

/// Removes temporary files that a killed writer left behind.
void remove_leftovers(const RunFolder& folder);

/// A number that changes whenever any job gained a step: finished modules and newest checkpoints.
std::string progress_fingerprint(const JobList& list, const RunFolder& folder);

}  // namespace m2mkd
