#pragma once
// The recipes of configs/ as jobs, and the work of one layer as formulas to compare them with.

#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <m2mkd/plan/packing.hpp>

namespace m2mkd::test {

using Changes = std::vector<std::pair<std::string, std::string>>;

inline Config full_size_config(const std::string& name, const Changes& changes = {}) {
  return Config::read({std::filesystem::path(M2MKD_SOURCE_DIR) / "configs" / (name + ".ini")},
                      changes);
}
inline JobList full_size(const std::string& name, const Changes& changes = {}) {
  return make_jobs(full_size_config(name, changes));
}

/// V-MoE-B with every row of the paper's Tables 6 and 11.
inline const JobList& vmoe_base() {
  static const JobList list = full_size(
      "vmoe_base", {{"run.methods",
                     "e2e kd incubation m2mkd m2mkd_stitched m2mkd_10epochs incubation_10epochs"}});
  return list;
}
inline const JobList& vmoe_large() {
  static const JobList list = full_size("vmoe_large");
  return list;
}

/// The job of each stage: "distill" → distill.0 to distill.3.
inline std::vector<const Job*> stages_of(const JobList& list, const std::string& phase,
                                         int stages = 4) {
  std::vector<const Job*> jobs;
  for (int i = 0; i < stages; ++i) jobs.push_back(&list.find(phase + "." + std::to_string(i)));
  return jobs;
}

/// Products of one layer in GFLOP per image (reference/vmoe §2.5). The gradient through a frozen
/// layer needs the products with weights once and those of two activations twice.
struct Layer {
  double weights = 0, attention = 0;
  double forward() const { return weights + attention; }
  double trained() const { return 2 * forward(); }
  double passing() const { return weights + 2 * attention; }
};
inline Layer dense(double width, double tokens) {
  return {24 * width * width * tokens * 1e-9, 4 * tokens * tokens * width * 1e-9};
}
/// Two of eight experts per token, and the gate.
inline Layer mixture(double width, double tokens) {
  return {2 * (20 * width * width + 8 * width) * tokens * 1e-9, 4 * tokens * tokens * width * 1e-9};
}
/// The patch convolution on 224 × 224 images of 3 channels: also what the tables count too much
/// where it is trained, the gradient of the images.
inline double patches(double width, double patch) {
  const double side = 224 / patch;
  return 2 * 3 * patch * patch * width * side * side * 1e-9;
}
inline double head(double width) {
  return 2 * width * 1000 * 1e-9;
}

/// Half of the last digit of figures printed as 1.23, and a little for its own rounding.
inline constexpr double kPrinted = 0.00501;

inline double giga(double flops) {
  return flops * 1e-9;
}

}  // namespace m2mkd::test
