#include <algorithm>
#include <cmath>
#include <numeric>

#include <m2mkd/base/error.hpp>
#include <m2mkd/train/results.hpp>

namespace m2mkd {

namespace {

bool is_best(const std::string& metric) {
  return metric == "best_acc1" || metric == "best_epoch";
}

// Metrics that attributes of earlier versions tell.
bool is_metric(const std::string& name) {
  return is_best(name) || name.ends_with("acc1") || name == "acc5" || name == "loss" ||
         name == "start_acc5" || name == "start_loss" || name == "acc1_published" ||
         name == "smallest_expert_share";
}

bool before_training(const std::string& metric) {
  return metric.starts_with("start_") || metric.starts_with("teacher");
}

Results from_attributes(const Attributes& a) {
  Results results;
  if (!a.contains("acc1") && !a.contains("start_acc1") && !a.contains("best_acc1")) return results;
  const std::int64_t scored = integer_or_zero(a, "test_images");
  const std::string job = text_or_empty(a, "job");
  results.evaluations.push_back({"test", text_or_empty(a, "test.name"),
                                 text_or_empty(a, "test.digest"),
                                 scored + integer_or_zero(a, "test.dropped"), "same"});
  const std::string start = text_or_empty(a, "test.start_digest");
  for (const auto& [name, value] : a) {
    if (!is_metric(name)) continue;
    if (before_training(name) && !start.empty() && start != results.evaluations.front().digest)
      continue;
    const double error = name == "acc1" ? number_or_nan(a, "acc1_standard_error") : std::nan("");
    results.rows.push_back({job, "test", name, number_attribute(a, name), error, scored});
  }
  return results;
}

template <class T>
const std::vector<T>& column(const TableGroup& table, const char* name) {
  const auto* values = table.column<T>(name);
  if (values == nullptr) fail("table '{}' has no column '{}' of its type", table.path, name);
  return *values;
}

}  // namespace

const Result* Results::find(const std::string& evaluation, const std::string& metric) const {
  const auto it = std::ranges::find_if(
      rows, [&](const auto& row) { return row.evaluation == evaluation && row.metric == metric; });
  return it == rows.end() ? nullptr : &*it;
}

const Scored* Results::find(const std::string& evaluation) const {
  const auto it = std::ranges::find(evaluations, evaluation, &Scored::evaluation);
  return it == evaluations.end() ? nullptr : &*it;
}

double Results::value(const std::string& evaluation, const std::string& metric) const {
  const Result* row = find(evaluation, metric);
  return row == nullptr ? std::nan("") : row->value;
}

void Results::put(Result row) {
  const auto same = std::ranges::find_if(rows, [&](const auto& own) {
    return own.job == row.job && own.evaluation == row.evaluation && own.metric == row.metric;
  });
  if (same == rows.end())
    rows.push_back(std::move(row));
  else
    *same = std::move(row);
}

void Results::put(Scored evaluation) {
  const auto same = std::ranges::find(evaluations, evaluation.evaluation, &Scored::evaluation);
  if (same == evaluations.end())
    evaluations.push_back(std::move(evaluation));
  else
    *same = std::move(evaluation);
}

std::vector<TableGroup> Results::tables() const {
  using Texts = std::vector<std::string>;
  using Integers = std::vector<std::int64_t>;
  const auto numbered = [](std::size_t size) {
    Integers row(size);
    std::iota(row.begin(), row.end(), 0);
    return row;
  };
  const auto texts = [](const auto& list, auto field) {
    Texts values;
    for (const auto& item : list) values.push_back(item.*field);
    return values;
  };
  Integers images, counts;
  std::vector<double> values, errors;
  for (const auto& e : evaluations) images.push_back(e.images);
  for (const auto& row : rows) {
    values.push_back(row.value);
    errors.push_back(row.standard_error);
    counts.push_back(row.count);
  }
  return {{"evaluations",
           {},
           {{"row", numbered(evaluations.size())},
            {"evaluation", texts(evaluations, &Scored::evaluation)},
            {"data", texts(evaluations, &Scored::data)},
            {"digest", texts(evaluations, &Scored::digest)},
            {"images", images},
            {"classes", texts(evaluations, &Scored::classes)}}},
          {"results",
           {},
           {{"row", numbered(rows.size())},
            {"job", texts(rows, &Result::job)},
            {"evaluation", texts(rows, &Result::evaluation)},
            {"metric", texts(rows, &Result::metric)},
            {"value", values},
            {"standard_error", errors},
            {"count", counts}}}};
}

Results read_results(const TableFile& file) {
  const TableGroup* evaluations = file.find("evaluations");
  const TableGroup* table = file.find("results");
  if (evaluations == nullptr || table == nullptr) return from_attributes(file.attributes);
  Results results;
  const auto& names = column<std::string>(*evaluations, "evaluation");
  for (std::size_t i = 0; i < names.size(); ++i)
    results.evaluations.push_back({names[i], column<std::string>(*evaluations, "data")[i],
                                   column<std::string>(*evaluations, "digest")[i],
                                   column<std::int64_t>(*evaluations, "images")[i],
                                   column<std::string>(*evaluations, "classes")[i]});
  const auto& jobs = column<std::string>(*table, "job");
  for (std::size_t i = 0; i < jobs.size(); ++i)
    results.rows.push_back(
        {jobs[i], column<std::string>(*table, "evaluation")[i],
         column<std::string>(*table, "metric")[i], column<double>(*table, "value")[i],
         column<double>(*table, "standard_error")[i], column<std::int64_t>(*table, "count")[i]});
  return results;
}

void add_attributes(const Results& results, Attributes& attributes) {
  std::erase_if(attributes, [](const auto& entry) { return is_metric(entry.first); });
  const Result* acc1 = results.find("test", "acc1");
  const Scored* test = results.find("test");
  for (const auto& row : results.rows) {
    const bool validation = row.evaluation == "validation" && is_best(row.metric);
    if (!is_metric(row.metric) || (row.evaluation != "test" && !validation)) continue;
    attributes[row.metric] = row.value;
    if (test != nullptr && before_training(row.metric))
      attributes["test.start_digest"] = test->digest;
  }
  if (acc1 == nullptr || test == nullptr) return;
  attributes["acc1_standard_error"] = acc1->standard_error;
  attributes["test_images"] = acc1->count;
  attributes["test.dropped"] = test->images - acc1->count;
}

}  // namespace m2mkd
