#pragma once
// Repetitions of one study, by seeds within a run or by several runs: per method and prior means,
// and differences between trainings of the same seed and prior.

#include <filesystem>
#include <string>
#include <vector>

#include <m2mkd/base/statistics.hpp>
#include <m2mkd/report/summary.hpp>

namespace m2mkd {

struct RunSummary {
  std::filesystem::path dir;
  std::int64_t seed = 0;
  std::string seeds_of;  ///< run.seeds_of; empty: the run has no run.seeds
  TableFile table;       ///< summary.h5
};

/// Throws Error with what to do where a run has no summary yet.
RunSummary read_run_summary(const std::filesystem::path& dir);
RunSummary run_summary(const std::filesystem::path& dir, TableFile table);

/// A method with a prior (of a run with run.priors) by one evaluation, over all its repetitions.
struct MethodComparison {
  std::string evaluation;     ///< "test", or that of [evaluation.NAME]
  std::string name;           ///< "m2mkd", "m2mkd_erdos_renyi"
  std::string method, prior;  ///< prior: empty without
  std::string to;             ///< the first method of the same prior: what it is compared with
  std::vector<double> acc1s;  ///< as Comparison::repetitions, NaN where it was not trained
  Mean acc1, assembled, time_ratio, flops_ratio, flops_ratio_all;
  Mean difference;  ///< acc1 minus that of `to`, over pairs with the same seeds
};

struct Repetition {
  std::size_t run = 0;     ///< which of the runs
  std::int64_t seed = -1;  ///< of run.seeds; -1: the run has none
  auto operator<=>(const Repetition&) const = default;
};

struct Comparison {
  std::vector<Repetition> repetitions;
  std::vector<MethodComparison> methods;  ///< by evaluation, `test` first
  std::vector<std::string> warnings;      ///< why these runs may not be repetitions of one study
};

/// All means, deviations and differences over repetitions that this program prints are made here.
Comparison compare_runs(const std::vector<RunSummary>& runs);

}  // namespace m2mkd
