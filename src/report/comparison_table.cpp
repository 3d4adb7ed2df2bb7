#include <algorithm>
#include <cmath>
#include <sstream>

#include <m2mkd/base/cell.hpp>
#include <m2mkd/base/statistics.hpp>
#include <m2mkd/report/summary.hpp>
#include <m2mkd/run/given.hpp>

#include "prior_table.hpp"
#include "sweep_table.hpp"

namespace m2mkd {

namespace {

// A method by one evaluation; what is the method's own stands in the line of `test`.
std::string method_line(const MethodRow& row, const std::string& evaluation, std::size_t width) {
  const Result* acc1 = row.results.find(evaluation, "acc1");
  const bool first = evaluation == "test";
  if (acc1 == nullptr && !first) return {};
  const auto score = [&](const char* format, const char* metric, int cell_width) {
    return cell(row.results.value(evaluation, metric), format, cell_width);
  };
  std::string text = fmt::format(
      "{:<{}}{} ±{}{}{}{}", first ? row.name : "  on " + evaluation, width,
      score("{:.2f}", "acc1", 8), cell(acc1 ? acc1->standard_error : std::nan(""), "{:.2f}", 5),
      score("{:.2f}", "acc5", 8), score("{:.4f}", "loss", 8), score("{:.2f}", "start_acc1", 11));
  const auto number = [&](const char* format, const char* name, int cell_width) {
    text += cell(row.number(name), format, cell_width);
  };
  if (first && row.first) {
    number("{:.0f}", "parameters", 12);
    number("{:.1f}", "seconds", 9);
    for (const auto* ratio : {"time_ratio", "flops_ratio", "flops_ratio_all"})
      number("{:.2f}", ratio, 7);
  }
  return text + "\n";
}

// The meta model or the teacher, mean over the jobs that trained it.
std::string common_row(const std::string& name, const std::string& phase,
                       const std::string& evaluation, const TableFile& summary) {
  const auto& a = summary.attributes;
  double acc1 = number_or_nan(a, phase + "_acc1"),
         error = number_or_nan(a, phase + "_acc1_standard_error");
  if (evaluation != "test") {
    const std::string jobs = "\n" + text_or_empty(a, phase + "_jobs") + "\n";
    std::vector<double> values, errors;
    for (const auto& row : read_results({{}, summary.groups}).rows)
      if (row.evaluation == evaluation && row.metric == "acc1" &&
          jobs.find("\n" + row.job + "\n") != std::string::npos) {
        values.push_back(row.value);
        errors.push_back(row.standard_error);
      }
    acc1 = mean_of(values).mean;
    error = mean_of(errors).mean;
  }
  if (std::isnan(acc1)) return {};
  return fmt::format("{:<14}{} ±{}{}\n", name, cell(acc1, "{:.2f}", 8), cell(error, "{:.2f}", 5),
                     evaluation == "test" ? "" : "  on " + evaluation);
}

// "evaluation    ood: corrupted, 10000 images, digest 1f…, classes 5 classes by name"
std::string evaluation_rows(const TableFile& summary) {
  std::string text;
  for (const auto& e : read_results({{}, summary.groups}).evaluations)
    if (e.evaluation != "test" && e.evaluation != "validation")
      text += fmt::format("{:<14}{}: {}, {} images, digest {}{}\n", "evaluation", e.evaluation,
                          e.data, e.images, e.digest, e.classes == "same" ? "" : "; " + e.classes);
  return text;
}

// Accuracies over the stages of one kind of hybrid: "81.2 80.4 79.9 80.0".
struct Hybrids {
  std::string name;
  std::vector<double> acc1;
};

std::vector<Hybrids> hybrids(const TableFile& summary) {
  std::vector<Hybrids> rows;
  const TableGroup* group = summary.find("hybrids");
  if (group == nullptr || group->columns.empty()) return rows;
  const auto& jobs = std::get<std::vector<std::string>>(group->columns[1].second);
  const auto& acc1 = std::get<std::vector<double>>(group->columns[3].second);
  const auto& teacher = std::get<std::vector<double>>(group->columns[4].second);
  const auto add = [&](const std::string& name, double value) {
    if (std::isnan(value)) return;
    auto row = std::ranges::find(rows, name, &Hybrids::name);
    if (row == rows.end()) row = rows.insert(rows.end(), {name, {}});
    row->acc1.push_back(value);
  };
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const std::string family = jobs[i].substr(0, jobs[i].rfind('.'));
    add(family, acc1[i]);
    add(family + " teacher", teacher[i]);
  }
  return rows;
}

// Accuracies as the published NAC trainer would have reported them.
std::string published_row(const TableFile& summary) {
  std::string text;
  for (const auto& group : summary.groups)
    if (group.path.starts_with("methods/") && group.attributes.contains("acc1_published"))
      text += fmt::format("  {} {:.2f}", group.path.substr(8),
                          number_or_nan(group.attributes, "acc1_published"));
  return text.empty() ? text : "\npublished meter (too low):" + text + "\n";
}

// Stages of a teacher in whose place the meta's own are better.
std::string teacher_warning(const Hybrids& row, double meta) {
  if (!row.name.ends_with("teacher") || std::isnan(meta)) return {};
  std::string below;
  bool far = false;
  for (std::size_t i = 0; i < row.acc1.size(); ++i) {
    if (!(row.acc1[i] < meta)) continue;
    below += fmt::format("{}{} ({:.2f})", below.empty() ? "" : ", ", i, row.acc1[i]);
    far = far || row.acc1[i] < meta - 5;
  }
  if (below.empty()) return {};
  return fmt::format("warning: hybrids {} are below the meta model ({:.2f}) at stage {}{}\n",
                     row.name, meta, below,
                     far ? ": stages 5 points below do not share the meta's features; where the "
                           "teacher is given, incubate.from_teacher = true incubates them shortly"
                         : "");
}

std::string warnings(const TableFile& summary, const std::vector<Hybrids>& rows) {
  std::string text;
  const auto trained_or_given = [&](const char* trained, const char* network) {
    const double acc1 = number_or_nan(summary.attributes, trained);
    return std::isnan(acc1) ? given_acc1(summary, network) : acc1;
  };
  const double meta = trained_or_given("pretrain_acc1", "meta"),
               teacher = trained_or_given("finetune_acc1", "teacher");
  std::vector<double> students;
  for (const auto& row : method_rows(summary))
    if (row.method == "e2e") students.push_back(row.results.value("test", "acc1"));
  if (const double student = mean_of(students).mean; !std::isnan(student + teacher))
    if (teacher < student + 2.0)
      text += fmt::format(
          "warning: the teacher ({:.2f}) is not 2 points better than e2e ({:.2f}): this run cannot "
          "decide whether "
          "distillation helps\n",
          teacher, student);
  for (const auto& row : rows) text += teacher_warning(row, meta);
  for (const auto& row : method_rows(summary))
    if (const double share = row.results.value("test", "smallest_expert_share"); share < 1.0)
      text += fmt::format("warning: {}: an expert gets only {:.2f} % of its block's tokens\n",
                          row.name, share);
  text += given_warnings(summary);
  const auto left_out = summary.attributes.find("left_out");
  if (left_out != summary.attributes.end()) {
    std::istringstream lines(std::get<std::string>(left_out->second));
    for (std::string line; std::getline(lines, line);) text += "warning: left out: " + line + "\n";
  }
  return text;
}

// What of the numbers is not as it should be: images of the test set that were not scored, steps
// that were left out.
std::string notes(const TableFile& summary) {
  std::string text;
  for (const auto& row : method_rows(summary)) {
    if (const double dropped = row.number("test.dropped"); dropped > 0)
      text += fmt::format("{}: {:.0f} of {:.0f} test images were not scored (eval_drop_last)\n",
                          row.name, dropped, dropped + row.number("test_images"));
    const double skipped = row.number("skipped_steps"), restores = row.number("restores");
    if (skipped > 0 || restores > 0)
      text += fmt::format(
          "warning: {}: {:.0f} steps of its jobs were left out as not finite, {:.0f} times a job "
          "went back to a checkpoint (train.non_finite)\n",
          row.name, skipped, restores);
  }
  return text;
}

// "test set: fashion-mnist, 10000 images, digest 1f…"
std::string test_row(const Attributes& summary) {
  if (!summary.contains("test.digest")) return {};
  return fmt::format(
      "{:<14}{}, {} images, digest {}\n", "test set", text_attribute(summary, "test.name"),
      integer_attribute(summary, "test.images"), text_attribute(summary, "test.digest"));
}

}  // namespace

std::string comparison_table(const TableFile& summary) {
  const auto methods = method_rows(summary);
  std::size_t width = 14;
  for (const auto& row : methods) width = std::max(width, row.name.size() + 1);
  std::string text = fmt::format("\n{:<{}}{:>8} {:>6}{:>8}{:>8}{:>11}{:>12}{:>9}{:>7}{:>7}{:>7}\n",
                                 "method", width, "acc1 %", "±se", "acc5 %", "loss", "assembled",
                                 "parameters", "seconds", "time", "FLOPs", "all");
  const auto evaluations = evaluation_names(summary);
  for (const auto& row : methods)
    for (const auto& evaluation : evaluations) text += method_line(row, evaluation, width);
  text += "\n";
  const auto& a = summary.attributes;
  for (const auto& [name, phase] :
       {std::pair{"meta", "pretrain"}, std::pair{"teacher", "finetune"}})
    for (const auto& evaluation : evaluations) text += common_row(name, phase, evaluation, summary);
  text += given_rows(summary);
  const auto rows = hybrids(summary);
  std::size_t hybrid_width = 24;
  for (const auto& row : rows) hybrid_width = std::max(hybrid_width, row.name.size() + 1);
  for (const auto& row : rows) {
    text += fmt::format("hybrids {:<{}}", row.name, hybrid_width);
    for (const double acc1 : row.acc1) text += fmt::format("{:>7.2f}", acc1);
    text += "\n";
  }
  text += test_row(a) + evaluation_rows(summary);
  text +=
      "\ntime, FLOPs: training of all jobs that the method needs, meta included, teacher "
      "preparation and evaluation excluded, "
      "over e2e's;\nall: FLOPs with the teacher. ±se: standard error from the number of test "
      "images alone. assembled: before any "
      "end-to-end training.\n";
  text += sweep_table(summary);
  text += published_row(summary);
  text += prior_table(summary);
  text += notes(summary);
  text += warnings(summary, rows);
  const auto note = a.find("note");
  if (note != a.end())
    if (const auto& words = std::get<std::string>(note->second); !words.empty())
      text += words + "\n";
  return text;
}

}  // namespace m2mkd
