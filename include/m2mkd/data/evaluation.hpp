#pragma once
// Data sets on which networks are scored, beside the images that they learn from: `test` and
// `validation` of section [data], and those of [evaluation.NAME].

#include <string>
#include <vector>

#include <m2mkd/data/dataset.hpp>

namespace m2mkd {

/// One data set to score on, ready for a job.
struct Evaluation {
  std::string name;  ///< "test", "validation", or NAME
  Split split = Split::test;
  DataOptions data{};  ///< how its images are read; of Split::test data.test is its file
  std::string data_name{}, digest{};  ///< of the file; empty where it is absent
  std::int64_t images = 0;
  /// Class of the network for each class of the file; empty: the same.
  std::vector<std::int64_t> classes{};
  bool masks = false;  ///< answers count among `classes` alone
  bool start = false;
  double epochs = 0;
  bool end = true;

  /// The images; throws Error where the file was exchanged since.
  Dataset open() const;
  /// "same", "5 of 10 classes by name", "... answers among them alone".
  std::string classes_text() const;
};

/// What section [data] asks for: `test`, before and after training, and every so many epochs where
/// there is no validation split; else `validation` then.
std::vector<Evaluation> own_evaluations(const DataOptions& data, const DataFacts& shape,
                                        double every_epochs);

/// [evaluation.NAME] for networks that learn from `data`. What does not fit is appended to
/// `problems`: no file, other channels or form, classes that the network does not know.
Evaluation make_evaluation(const std::string& name, const EvaluationOptions& options,
                           const DataOptions& data, const DataFacts& shape,
                           std::vector<std::string>& problems);

}  // namespace m2mkd
