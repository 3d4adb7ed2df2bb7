#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <set>
#include <sstream>

#include <fmt/ranges.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/statistics.hpp>
#include <m2mkd/report/summary.hpp>
#include <m2mkd/run/given.hpp>
#include <m2mkd/run/retest.hpp>

#include "prior_table.hpp"

namespace m2mkd {

namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// What a finished module file says.
struct Module {
  Attributes attributes;
  Results results;  ///< by the evaluations of today alone
  double number(const std::string& name) const { return number_or_nan(attributes, name); }
  double test(const std::string& metric) const { return results.value("test", metric); }
};
using Finished = std::map<std::string, Module>;  // by job

Results results_of_today(const Job& job, const TableFile& module) {
  Results results = read_results(module);
  std::set<std::string> known;
  for (const auto& evaluation : job.evaluations) {
    const Scored* then = results.find(evaluation.name);  // validation and epochs alone, too
    if (then != nullptr && then->digest == evaluation.digest &&
        test_difference(job, evaluation, module).empty())
      known.insert(evaluation.name);
  }
  const auto gone = [&](const auto& row) { return !known.contains(row.evaluation); };
  std::erase_if(results.rows, gone);
  std::erase_if(results.evaluations, gone);
  return results;
}

// Those of another test than today's are left out, one line each in `left_out`.
Finished read_finished(const JobList& list, const RunFolder& folder, std::string& left_out) {
  Finished finished;
  for (const auto& job : list.jobs) {
    const auto path = folder.module(job.name);
    if (!std::filesystem::exists(path)) continue;
    TableFile module = read_table_file(path);
    const auto difference = test_difference(job, module);
    if (difference.empty())
      finished[job.name] = {std::move(module.attributes), results_of_today(job, module)};
    else
      left_out += fmt::format("{} was tested {}\n", job.name, difference);
  }
  return finished;
}

// Sum over the jobs that a method needs, or that count for it.
double sum(const JobList& list, const Finished& finished, const std::string& method,
           const std::string& name, bool with_teacher) {
  double total = 0;
  for (const auto& job : with_teacher ? list.needs.at(method) : counted_jobs(list, method)) {
    const auto it = finished.find(job);
    total += it == finished.end() ? nan : it->second.number(name);
  }
  return total;
}

// Over all jobs that a method needs; files of earlier versions do not tell, and count 0.
std::int64_t count(const JobList& list, const Finished& finished, const std::string& method,
                   const std::string& name) {
  double total = 0;
  for (const auto& job : list.needs.at(method))
    if (const auto it = finished.find(job); it != finished.end())
      if (const double value = it->second.number(name); !std::isnan(value)) total += value;
  return static_cast<std::int64_t>(total);
}

std::string lines(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, "\n"));
}

// Of the first leaf's network the numbers, of all jobs the sums.
TableGroup method_group(const JobList& list, const Finished& finished, const Config& config,
                        const Variant& variant) {
  const std::string& method = variant.name;
  const Module& leaf = finished.at(list.leaves.at(method).front());
  TableGroup group{"methods/" + method, {}, {}};
  auto& a = group.attributes;
  a["method"] = variant.base;
  if (!variant.prior.empty()) a["prior"] = variant.prior;
  if (variant.seed >= 0) a["seed"] = variant.seed;
  a["leaves"] = lines(list.leaves.at(method));
  Attributes test;
  add_attributes(leaf.results, test);
  for (const auto* name : {"acc1", "acc5", "loss", "acc1_standard_error", "test_images",
                           "test.dropped", "acc1_published", "smallest_expert_share"})
    if (test.contains(name)) a[name] = test.at(name);
  a["acc1_assembled"] = leaf.test("start_acc1");
  a["parameters"] = integer_attribute(leaf.attributes, "parameters");
  a["seconds"] = sum(list, finished, method, "seconds", false);
  a["rank_seconds"] = sum(list, finished, method, "rank_seconds", false);
  a["flops"] = sum(list, finished, method, "flops", false);
  a["images"] = sum(list, finished, method, "images", false);
  for (const auto* name : {"skipped_steps", "restores"})
    a[name] = count(list, finished, method, name);
  const Scope e2e = config.alike("e2e", method);
  const auto compared = list.leaves.find(e2e);
  if (compared == list.leaves.end()) return group;
  if (const auto it = finished.find(compared->second.front()); it != finished.end()) {
    a["time_ratio"] =
        std::get<double>(a["rank_seconds"]) / sum(list, finished, e2e, "rank_seconds", false);
    a["flops_ratio"] = std::get<double>(a["flops"]) / sum(list, finished, e2e, "flops", false);
    a["flops_ratio_all"] =
        sum(list, finished, method, "flops", true) / sum(list, finished, e2e, "flops", true);
    a["extra_parameters"] = std::get<std::int64_t>(a["parameters"]) -
                            integer_attribute(it->second.attributes, "parameters");
  }
  return group;
}

// Accuracy of every spliced network: the teacher's stage as incubated and as it teaches, and the
// student's.
TableGroup hybrid_group(const JobList& list, const Finished& finished) {
  std::vector<std::string> jobs, networks;
  std::vector<std::int64_t> stages;
  std::vector<double> acc1, teacher;
  for (const auto& job : list.jobs) {
    if (!job.spliced() || !finished.contains(job.name)) continue;
    jobs.push_back(job.name);
    networks.emplace_back(enum_name(job.role));
    stages.push_back(job.stage);
    acc1.push_back(finished.at(job.name).test("acc1"));
    teacher.push_back(finished.at(job.name).test("teacher_acc1"));
  }
  return {"hybrids",
          {},
          {{"stage", stages},
           {"job", jobs},
           {"network", networks},
           {"acc1", acc1},
           {"teacher_acc1", teacher}}};
}

TableGroup job_group(const JobList& list, const Finished& finished) {
  TableGroup group{"jobs", {}, {}};
  std::vector<std::int64_t> rows;
  std::vector<std::string> names, phases;
  const std::vector<std::string> scores{"acc1", "acc5", "loss"};
  std::vector<std::string> columns = scores;
  for (const auto* name :
       {"steps", "images", "seconds", "rank_seconds", "eval_seconds", "flops", "ranks",
        "parameters", "trainable_parameters", "peak_memory", "skipped_steps", "restores"})
    columns.emplace_back(name);
  std::vector<std::vector<double>> values(columns.size());
  for (const auto& job : list.jobs) {
    if (!finished.contains(job.name)) continue;
    rows.push_back(static_cast<std::int64_t>(rows.size()));
    names.push_back(job.name);
    phases.emplace_back(enum_name(job.phase));
    const Module& module = finished.at(job.name);
    for (std::size_t c = 0; c < columns.size(); ++c)
      values[c].push_back(c < scores.size() ? module.test(columns[c]) : module.number(columns[c]));
  }
  group.columns = {{"row", rows}, {"job", names}, {"phase", phases}};
  for (std::size_t c = 0; c < columns.size(); ++c)
    group.columns.emplace_back(columns[c], values[c]);
  return group;
}

// Who trained what, when: seconds since the first job's start.
TableGroup timeline_group(const JobList& list, const Finished& finished) {
  std::vector<std::string> names;
  std::vector<std::int64_t> rows, waves, first_ranks, ranks;
  std::vector<double> starts, ends;
  double origin = std::numeric_limits<double>::infinity();
  for (const auto& [job, module] : finished)
    origin = std::min(origin, number_attribute(module.attributes, "started"));
  for (const auto& job : list.jobs) {
    const auto it = finished.find(job.name);
    if (it == finished.end()) continue;
    rows.push_back(static_cast<std::int64_t>(rows.size()));
    names.push_back(job.name);
    const auto& attributes = it->second.attributes;
    waves.push_back(integer_attribute(attributes, "wave"));
    first_ranks.push_back(integer_attribute(attributes, "first_rank"));
    ranks.push_back(integer_attribute(attributes, "ranks"));
    starts.push_back(number_attribute(attributes, "started") - origin);
    ends.push_back(number_attribute(attributes, "finished_at") - origin);
  }
  return {"timeline",
          {},
          {{"row", rows},
           {"job", names},
           {"wave", waves},
           {"first_rank", first_ranks},
           {"ranks", ranks},
           {"start", starts},
           {"end", ends}}};
}

// Accuracy of the meta model or of the teacher, the mean where seeds repeat it; and of which jobs.
void add_common(Attributes& attributes, const std::string& phase, const Finished& finished,
                const Config& config) {
  std::set<std::string> jobs{phase};
  for (const auto& variant : config.variants())
    if (const Scope shared = config.alike("", variant.name); !shared.empty())
      jobs.insert(phase + "." + shared);
  std::erase_if(jobs, [&](const auto& job) { return !finished.contains(job); });
  if (jobs.empty()) return;
  std::vector<double> values, errors;
  for (const auto& job : jobs)
    if (const Result* acc1 = finished.at(job).results.find("test", "acc1")) {
      values.push_back(acc1->value);
      errors.push_back(acc1->standard_error);
    }
  attributes[phase + "_acc1"] = mean_of(values).mean;
  attributes[phase + "_acc1_standard_error"] = mean_of(errors).mean;
  attributes[phase + "_jobs"] = lines({jobs.begin(), jobs.end()});
}

// Of one job; in summaries of earlier versions those of `test`, from the method's attributes.
Results results_of(const Results& all, const std::string& job, const Attributes& method) {
  if (all.rows.empty()) {
    Results results = read_results({method, {}});
    results.put(Result{job, "test", "start_acc1", number_or_nan(method, "acc1_assembled"), nan,
                       integer_or_zero(method, "test_images")});
    return results;
  }
  Results results{all.evaluations, {}};
  for (const auto& row : all.rows)
    if (row.job == job) results.rows.push_back(row);
  return results;
}

}  // namespace

std::vector<MethodRow> method_rows(const TableFile& summary) {
  const std::string prefix = "methods/";
  const Results all = read_results({{}, summary.groups});
  std::vector<MethodRow> rows;
  for (const auto& group : summary.groups) {
    if (!group.path.starts_with(prefix)) continue;
    const auto& a = group.attributes;
    const std::string name = group.path.substr(prefix.size());
    const std::string method = a.contains("method") ? text_attribute(a, "method") : name;
    std::istringstream leaves(a.contains("leaves") ? text_attribute(a, "leaves") : "final." + name);
    bool first = true;
    for (std::string leaf; std::getline(leaves, leaf); first = false) {
      const std::string which = first ? "" : " " + leaf.substr(0, leaf.find('.'));
      rows.push_back({name + which, method + which, text_or_empty(a, "prior"),
                      a.contains("seed") ? integer_attribute(a, "seed") : -1, leaf, first, &a,
                      results_of(all, leaf, a)});
    }
  }
  return rows;
}

std::vector<std::string> evaluation_names(const TableFile& summary) {
  std::vector<std::string> names{"test"};
  for (const auto& evaluation : read_results({{}, summary.groups}).evaluations)
    if (evaluation.evaluation != "test" && evaluation.evaluation != "validation")
      names.push_back(evaluation.evaluation);
  return names;
}

double MethodRow::number(const std::string& attribute) const {
  return first ? number_or_nan(*attributes, attribute) : nan;
}

TableFile summarise(const JobList& list, const RunFolder& folder, const Config& config) {
  TableFile file;
  std::string left_out;
  const Finished finished = read_finished(list, folder, left_out);
  const DataFacts& shape = list.jobs.front().facts;
  file.attributes["test.name"] = shape.test_name;
  file.attributes["test.digest"] = shape.test_digest;
  file.attributes["test.images"] = shape.test_images;
  file.attributes["left_out"] = left_out;
  file.attributes["config"] = config.text();
  file.attributes["seed"] = config.run.seed;
  file.attributes["note"] = config.run.note;
  if (!config.run.seeds.empty())
    file.attributes["seeds_of"] = std::string(enum_name(config.run.seeds_of));
  for (const auto* phase : {"pretrain", "finetune"})
    add_common(file.attributes, phase, finished, config);
  file.groups.push_back({"methods", {}, {}});
  Results all;
  for (const auto& job : list.jobs)
    if (const auto it = finished.find(job.name); it != finished.end()) {
      for (const auto& row : it->second.results.rows) all.put(row);
      for (const auto& evaluation : it->second.results.evaluations) all.put(evaluation);
    }
  for (const auto& variant : config.variants())
    if (std::ranges::all_of(list.leaves.at(variant.name),
                            [&](const auto& leaf) { return finished.contains(leaf); }))
      file.groups.push_back(method_group(list, finished, config, variant));
  for (auto& table : all.tables()) file.groups.push_back(std::move(table));
  for (auto& group : given_groups(list, folder)) file.groups.push_back(std::move(group));
  file.groups.push_back(hybrid_group(list, finished));
  file.groups.push_back(job_group(list, finished));
  if (auto priors = prior_group(list, folder)) file.groups.push_back(std::move(*priors));
  if (!finished.empty()) file.groups.push_back(timeline_group(list, finished));
  return file;
}

}  // namespace m2mkd
