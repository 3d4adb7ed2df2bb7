#pragma once
// From a configuration to its jobs: the table of docs/architecture.md as code. No other place knows
// what a phase is made of.

#include <map>
#include <set>

#include <m2mkd/plan/job.hpp>

namespace m2mkd {

struct JobList {
  std::vector<Job> jobs;  ///< parents before children
  std::map<std::string, std::vector<std::string>>
      needs;  ///< method → all jobs that it needs, parents before children
  std::map<std::string, std::vector<std::string>>
      leaves;  ///< method → those whose networks it is judged by, the one that is compared first
  const Job& find(const std::string& name) const;  ///< throws std::logic_error
};

/// All jobs of the methods in run.methods; jobs that methods share appear once. Throws ConfigError
/// with all problems (shapes that do not fit, unknown data sizes).
JobList make_jobs(const Config& config);

/// The network, settings and images of a job, without what it starts from, is compared with and
/// costs: what an evaluation needs. `scope`: its method or further teacher, or empty.
Job network_job(const Config& config, Phase phase, Role role, int stage, const Scope& scope,
                const DataFacts& facts);

/// The jobs that the paper's accounting counts for a method: meta, modules, leaves. Preparing the
/// teacher is left out, with the meta model where only that needs it (kd); but not where the
/// teacher is a leaf.
std::vector<std::string> counted_jobs(const JobList& list, const std::string& method);

/// What the data files of the jobs do not agree on and is put right (DataFacts::note), each once.
std::set<std::string> data_notes(const JobList& list);

/// Of all data files of the jobs, as one text.
std::string data_digests(const JobList& list);

/// Training FLOPs of those jobs, or of all that the method needs.
double method_flops(const JobList& list, const std::string& method, bool with_teacher);

/// Those that run.jobs means; all where it is empty.
std::vector<const Job*> selected_jobs(const JobList& list, const RunOptions& run);

}  // namespace m2mkd
