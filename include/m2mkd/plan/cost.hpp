#pragma once
// Work, memory and time of jobs and packs, predicted without running anything.

#include <span>

#include <m2mkd/plan/job.hpp>

namespace m2mkd {

/// Fills job.cost from the networks on the meta device.
JobCost job_cost(const Job& job);

/// May the two be trained in one pack? Exact only where they share the data stream (data, batch,
/// micro-batch, precision, seed) and the frozen meta (same weights, model).
bool can_share(const Job& a, const Job& b);

/// FLOP of one step per image, over the jobs that still train after `step` steps: their frozen
/// prefix once, as far as the last stage needs it.
double pack_flops(std::span<const Job* const> pack, std::int64_t step = 0);

/// Bytes that one rank holds: parameters, gradients and moments of the trained parts, frozen parts
/// once, activations of its largest forward (jobs run one after another, so the largest counts).
double pack_memory(std::span<const Job* const> pack, int ranks);

/// Bytes of a job's module file and of its two checkpoints.
double job_disk(const Job& job);

}  // namespace m2mkd
