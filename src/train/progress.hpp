#pragma once
// How far a job is: the numbers that every rank of the group holds, and the columns that its root
// keeps for the files.

#include <cstdint>
#include <string>
#include <vector>

#include <m2mkd/store/tensor_file.hpp>
#include <m2mkd/train/results.hpp>

namespace m2mkd {

struct Progress {
  double step = 0;             ///< optimizer steps done (skipped ones included)
  double updates = 0;          ///< optimizer updates made
  double evaluated_step = -1;  ///< step of the last evaluation during training
  double closed_step = 0;      ///< step up to which epoch columns are written
  double start_done = 0;       ///< accuracies before training are known
  double seconds = 0;          ///< training time of this job (its share of its pack)
  double rank_seconds = 0;     ///< the same times the ranks of the group
  double eval_seconds = 0;
  double images = 0;
  double skipped_steps = 0;  ///< steps without an update: loss or gradient was not finite
  double skipped_row = 0;    ///< of them those in a row up to now
  double restores = 0;       ///< returns to a checkpoint for such a step
  // sums since closed_step
  double loss = 0, ce = 0, kl = 0, samples = 0, epoch_seconds = 0;

  /// Name and field of every number, to save, load and broadcast them.
  std::vector<std::pair<std::string, double*>> fields();
};

/// Results and columns, kept by the group's root alone.
struct Records {
  Results results;
  Attributes attributes;  ///< further ones of the module file: extended_from
  TableGroup epochs{"epochs", {}, {}}, steps{"steps", {}, {}};

  /// Appends one row. A column that is new, or that the row lacks, holds NaN elsewhere.
  static void append(TableGroup& table, const std::vector<std::pair<std::string, double>>& row);
  /// Sets values of the last row.
  static void complete(TableGroup& table, const std::vector<std::pair<std::string, double>>& row);
};

/// Adds "progress.*" attributes (numbers that a file does not have are 0), the results as tables
/// and the columns ("progress/epochs/loss", float64) to a checkpoint.
void save(Progress progress, const Records& records, TensorFile& file);
void load(Progress& progress, Records& records, const TensorFile& file);

}  // namespace m2mkd
