#include <algorithm>

#include <fmt/format.h>

#include <m2mkd/data/evaluation.hpp>
#include <m2mkd/data/provenance.hpp>

#include "file_check.hpp"

namespace m2mkd {

namespace {

// Positions of the file's classes among the network's; a name that it lacks is a problem.
std::vector<std::int64_t> places(const std::vector<std::string>& classes,
                                 const std::vector<std::string>& known, const std::string& key,
                                 std::vector<std::string>& problems) {
  std::vector<std::int64_t> found;
  for (const auto& name : classes) {
    const auto at = std::ranges::find(known, name);
    if (at == known.end()) {
      problems.push_back(fmt::format(
          "{}.file has a class '{}' that data.train has not: pack it with the names of its classes",
          key, name));
      return {};
    }
    found.push_back(at - known.begin());
  }
  return found;
}

void require_same_classes(const ImageFileInfo& info, const DataFacts& shape, const std::string& key,
                          std::vector<std::string>& problems) {
  const auto difference = class_difference(shape.class_names, info.classes);
  const auto count = std::ssize(info.classes);
  if (difference.empty() && (shape.classes == 0 || count <= shape.classes)) return;
  problems.push_back(fmt::format(
      "{}.file has other classes than data.train ({}): {}.classes = by_name finds them by their "
      "names, subset lets answers count among them alone",
      key, difference.empty() ? fmt::format("{} instead of {}", count, shape.classes) : difference,
      key));
}

}  // namespace

Dataset Evaluation::open() const {
  Dataset dataset(data, split);
  if (!digest.empty()) dataset.expect(digest);
  return dataset;
}

std::string Evaluation::classes_text() const {
  if (classes.empty()) return "same";
  return fmt::format("{} classes by name{}", classes.size(),
                     masks ? ", answers among them alone" : "");
}

std::vector<Evaluation> own_evaluations(const DataOptions& data, const DataFacts& shape,
                                        double every_epochs) {
  const bool validates = data.validation_images > 0;
  Evaluation test{.name = "test",
                  .data = data,
                  .data_name = shape.test_name,
                  .digest = shape.test_digest,
                  .images = shape.test_images,
                  .classes = {}};
  test.start = true;
  if (!validates) test.epochs = every_epochs;
  std::vector<Evaluation> all{std::move(test)};
  if (validates)
    all.push_back({.name = "validation",
                   .split = Split::validation,
                   .data = data,
                   .data_name = shape.train_name,
                   .digest = shape.train_digest,
                   .images = shape.validation_images,
                   .classes = {},
                   .epochs = every_epochs,
                   .end = false});
  return all;
}

Evaluation make_evaluation(const std::string& name, const EvaluationOptions& options,
                           const DataOptions& data, const DataFacts& shape,
                           std::vector<std::string>& problems) {
  const std::string key = "evaluation." + name;
  Evaluation evaluation{.name = name,
                        .data = data,
                        .data_name = {},
                        .digest = {},
                        .images = options.count,
                        .classes = {},
                        .masks = options.classes == ClassesOf::subset,
                        .start = options.start,
                        .epochs = options.epochs,
                        .end = options.end};
  evaluation.data.test = options.file;
  evaluation.data.test_count = options.count;
  evaluation.data.classes = 0;
  if (options.file.empty() || !std::filesystem::exists(options.file)) {
    if (options.count == 0)
      problems.push_back(
          options.file.empty()
              ? key + ".file is not set: give a file made by m2mkd-pack"
              : fmt::format("{}.file = {}: no such file; {} (for `plan` alone, set {}.count)", key,
                            options.file.string(), pack_hint(options.file), key));
    return evaluation;
  }
  try {
    const ImageFileInfo info = ImageFile(options.file).info();
    DataOptions sizes = evaluation.data;
    sizes.channels = shape.channels;
    if (info.form == ImageForm::tensor) sizes.image_size = shape.image_size;
    for (auto& text : contradictions(info, sizes, key + ".file", options.count))
      problems.push_back(std::move(text));
    evaluation.data_name = info.name;
    evaluation.digest = info.digest;
    evaluation.images = info.count;
    if (options.classes == ClassesOf::same)
      require_same_classes(info, shape, key, problems);
    else if (!shape.class_names.empty())
      evaluation.classes = places(info.classes, shape.class_names, key, problems);
  } catch (const std::exception& error) {
    problems.push_back(key + ".file: " + error.what());
  }
  return evaluation;
}

}  // namespace m2mkd
