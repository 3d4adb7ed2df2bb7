#pragma once
// What `m2mkd bench` measures: which jobs of a configuration stand for which row, and one row's
// measurement.

#include <string>
#include <vector>

#include <m2mkd/comm/session.hpp>
#include <m2mkd/plan/recipe.hpp>
#include <m2mkd/train/step_timer.hpp>

namespace m2mkd {

struct BenchItem {
  enum class Kind { training, evaluation, loading } kind = Kind::training;
  std::string name;              ///< "pair", "pack", "incubation", ...
  std::vector<const Job*> jobs;  ///< several: trained as one pack
};

/// The rows that this configuration has, in order. The jobs are those of `list`, which must outlive
/// them.
std::vector<BenchItem> bench_items(const JobList& list);

struct BenchRow {
  BenchItem item;
  StepTimes times;
  double flops_per_image = 0;  ///< 0 for loading
  double gemm_gflops = 0;      ///< of all ranks at once, measured just before; 0 for loading

  double gflops() const { return times.images_per_second() * flops_per_image * 1e-9; }
  double share_percent() const { return gemm_gflops > 0 ? 100 * gflops() / gemm_gflops : 0; }
};

/// Measures one row on all ranks of the session, for about `seconds`. Collective.
BenchRow measure(const BenchItem& item, const Session& session, double seconds);

}  // namespace m2mkd
