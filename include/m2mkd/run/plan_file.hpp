#pragma once
// RUN_DIR/plan.json: the groups and packs of every wave that was started, for a restart on as many
// ranks. Rank 0 alone.

#include <filesystem>
#include <map>

#include <m2mkd/plan/packing.hpp>

namespace m2mkd {

/// What plan.json says to who looks on.
struct PlanRecord {
  int ranks = 1;
  std::vector<std::string> jobs;  ///< in the order of waves, groups and packs
};
/// Throws Error where it cannot be read.
PlanRecord read_plan_record(const std::filesystem::path& path);

class PlanFile {
 public:
  PlanFile(std::filesystem::path path, int ranks) : path_(std::move(path)), ranks_(ranks) {}

  /// What an earlier start on the same number of ranks recorded. With another number it is
  /// forgotten, and the log says so.
  void read();
  /// The recorded wave where it has all open jobs and they may still share as it says, else a new
  /// one, which is recorded at once; the log says why.
  Wave wave(int number, const std::vector<const Job*>& open, const MachineOptions& machine);

 private:
  void write() const;
  std::filesystem::path path_;
  int ranks_;
  std::map<int, std::string> waves_;  ///< number → JSON
};

}  // namespace m2mkd
