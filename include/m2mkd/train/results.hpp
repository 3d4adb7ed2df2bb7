#pragma once
// What networks were scored as, in rows: of one job in its module file and metrics, of all jobs in
// summary.h5 (docs/file-formats.md).

#include <string>
#include <vector>

#include <m2mkd/store/table_file.hpp>

namespace m2mkd {

/// One number. Metrics: acc1, acc5 (percent), loss (mean cross-entropy), acc1_published,
/// smallest_expert_share (percent) of the trained network; start_acc1, ... before its first step;
/// teacher_acc1, teacher2_acc1, ... of what a pair learns from; best_acc1, best_epoch during
/// training.
struct Result {
  std::string job, evaluation, metric;
  double value = 0;
  double standard_error = 0;  ///< from the number of images alone; NaN: not known
  std::int64_t count = 0;     ///< images scored
};

/// What an evaluation was of.
struct Scored {
  std::string evaluation, data, digest;  ///< name and digest of the packed file
  std::int64_t images = 0;               ///< in it
  std::string classes;                   ///< Evaluation::classes_text()
};

struct Results {
  std::vector<Scored> evaluations;
  std::vector<Result> rows;

  /// Null where there is none. Of one job's results.
  const Result* find(const std::string& evaluation, const std::string& metric) const;
  const Scored* find(const std::string& evaluation) const;
  /// NaN where there is none.
  double value(const std::string& evaluation, const std::string& metric) const;
  /// Added, or in the place of the row of the same job, evaluation and metric.
  void put(Result row);
  void put(Scored evaluation);
  /// Groups "evaluations" and "results", a column per field.
  std::vector<TableGroup> tables() const;
};

/// From those groups; from the attributes of a file without them, made by an earlier version.
Results read_results(const TableFile& file);

/// The rows of `test`, and the best during training, as attributes acc1, acc1_standard_error,
/// start_acc1, test_images, test.dropped, ...: for readers of earlier versions.
void add_attributes(const Results& results, Attributes& attributes);

}  // namespace m2mkd
