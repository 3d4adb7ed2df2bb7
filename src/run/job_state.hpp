#pragma once
// What the run directory says about each job. Rank 0 alone asks.

#include <m2mkd/plan/recipe.hpp>
#include <m2mkd/run/build.hpp>

namespace m2mkd {

/// True if the job's module file is there, finished, whole and made by the same settings and
/// parents; then what a program that died after publishing it has left undone is completed.
/// Otherwise the job is to be (re)started or continued: leftovers of other settings are removed
/// with run.redo, prolonged with run.extend, else refused (Error with the settings that differ).
bool is_finished(const Job& job, const RunFolder& folder, const Digests& digests,
                 const Config& config);

/// Does the folder hold something of the jobs (parents first) that is_finished() would refuse?
/// Throws what it would throw, or that a parent or a given file is missing; changes nothing. What
/// depends on parents that are still to be trained is not known yet. True where a job is open.
/// `given` gets the digests of given files.
bool would_accept(const std::vector<const Job*>& jobs, const RunFolder& folder,
                  const Config& config, Digests& given);

/// Is the module file (its attributes) of exactly these settings and of the parents that are there?
bool same_training(const Job& job, const RunFolder& folder, const Attributes& module);

/// A number that changes whenever any job gained a step: finished modules and newest checkpoints.
std::string progress_fingerprint(const JobList& list, const RunFolder& folder);

}  // namespace m2mkd
