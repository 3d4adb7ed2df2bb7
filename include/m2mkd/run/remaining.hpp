#pragma once
// How long what is left of a run will take.

#include <map>
#include <string>

#include <m2mkd/plan/packing.hpp>
#include <m2mkd/run/build.hpp>

namespace m2mkd {

/// Share of each job's steps that is left: 0 finished, 1 not begun. By its module file, else its
/// newest checkpoint. Whether they are of these settings is not asked.
std::map<std::string, double> shares_left(const JobList& list, const RunFolder& folder);

/// The jobs with work left, their steps, images and evaluations cut to their shares.
std::vector<Job> jobs_left(const JobList& list, const std::map<std::string, double>& shares);

/// [machine] with the rate that finished jobs have reached, FLOPs over seconds times ranks, where
/// they took long enough to tell (5 s in all).
MachineOptions measured_machine(const JobList& list, const RunFolder& folder,
                                MachineOptions machine);

/// Predicted seconds of the waves that are left on so many ranks.
double seconds_left(const JobList& list, const std::map<std::string, double>& shares, int ranks,
                    const MachineOptions& machine);

}  // namespace m2mkd
