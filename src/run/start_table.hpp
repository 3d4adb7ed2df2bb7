#pragma once
// What a user reads when a run starts: machine, data, plan.

#include <m2mkd/comm/session.hpp>
#include <m2mkd/plan/packing.hpp>
#include <m2mkd/plan/recipe.hpp>

#include "wave_run.hpp"

namespace m2mkd {

/// Hosts, ranks, devices, threads, cores, precision, data, seeds, and a timed GEMM (warns when the
/// BLAS is slow or threads exceed the bound cores). Collective; rank 0 logs.
void print_start_table(const Session& session, const Config& config, const JobList& list);

/// Waves and jobs with their parameters and FLOPs, ranks, predicted time of what is left, disk.
/// Rank 0.
void print_plan(const JobList& list, const RunFolder& folder,
                const std::vector<std::vector<std::string>>& waves, int ranks,
                const MachineOptions& machine);

/// The groups of a wave that begins.
void print_wave(const WaveOrder& order, int number, int waves);

}  // namespace m2mkd
