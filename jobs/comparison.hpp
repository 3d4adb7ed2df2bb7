#pragma once
// Several runs of one study side by side: per method means, and differences between runs of the
// same seed.

#include <filesystem>
#include <string>
#include <vector>

#include <m2mkd/base/statistics.hpp>
#include <m2mkd/store/table_file.hpp>

namespace m2mkd {

struct RunSummary {
  std::filesystem::path dir;
  std::int64_t seed = 0;
  TableFile table;  ///< summary.h5

  std::vector<std::string> methods() const;
  double number(const std::string& method, const std::string& name) const;  ///< NaN where absent
};

/// Throws Error with what to do where a run has no summary yet.
RunSummary read_run_summary(const std::filesystem::path& dir);

struct MethodComparison {
  std::string method;
  std::vector<double> acc1s;  ///< by run, NaN where the run lacks the method
  Mean acc1, assembled, time_ratio, flops_ratio, flops_ratio_all;
  Mean difference;  ///< acc1 minus the first method's, over pairs with the same seed
};

struct Comparison {
  std::vector<MethodComparison> methods;  ///< the first is what the others are compared with
  std::vector<std::string> warnings;      ///< why these runs may not be repetitions of one study
};

Comparison compare_runs(const std::vector<RunSummary>& runs);

}  // namespace m2mkd
