#pragma once
// One optimizer step of a pack without what surrounds it: what the trainer runs and the step timer
// times.

#include <functional>
#include <span>

#include "job_run.hpp"

namespace m2mkd {

using RunSpan = std::span<JobRun* const>;

/// Forward and backward of every job over this rank's `batches` batches of one step. Batches
/// outside, jobs inside: the frozen prefix of a batch is computed once. Returns this rank's sums,
/// JobRun::sum_count per job, to be summed over the group.
std::vector<double> pack_gradients(RunSpan runs, std::int64_t batches,
                                   const std::function<Batch()>& next, c10::Device device);

/// Clips and updates every job. `sums`: those of pack_gradients over the group (more may follow
/// them). `seconds`: of the step, which the jobs share by FLOPs. Returns what became of each job.
std::vector<JobRun::Update> pack_update(RunSpan runs, std::span<const double> sums, double seconds);

}  // namespace m2mkd
