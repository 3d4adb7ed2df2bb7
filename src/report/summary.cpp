#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <set>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/statistics.hpp>
#include <m2mkd/report/summary.hpp>
#include <m2mkd/run/given.hpp>
#include <m2mkd/run/retest.hpp>

#include "prior_table.hpp"

namespace m2mkd {

namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// Attributes of the finished module files, by job.
using Finished = std::map<std::string, Attributes>;

// Those of another test than today's are left out, one line each in `left_out`.
Finished read_finished(const JobList& list, const RunFolder& folder, std::string& left_out) {
  Finished finished;
  for (const auto& job : list.jobs) {
    const auto path = folder.module(job.name);
    if (!std::filesystem::exists(path)) continue;
    Attributes module = read_attributes(path);
    const auto difference = test_difference(job, module);
    if (difference.empty())
      finished[job.name] = std::move(module);
    else
      left_out += fmt::format("{} was tested {}\n", job.name, difference);
  }
  return finished;
}

double number(const Finished& finished, const std::string& job, const std::string& name) {
  const auto it = finished.find(job);
  if (it == finished.end() || !it->second.contains(name)) return nan;
  return number_attribute(it->second, name);
}

// Sum over the jobs that a method needs, or that count for it.
double sum(const JobList& list, const Finished& finished, const std::string& method,
           const std::string& name, bool with_teacher) {
  double total = 0;
  for (const auto& job : with_teacher ? list.needs.at(method) : counted_jobs(list, method))
    total += number(finished, job, name);
  return total;
}

// Over all jobs that a method needs; files of earlier versions do not tell, and count 0.
std::int64_t count(const JobList& list, const Finished& finished, const std::string& method,
                   const std::string& name) {
  double total = 0;
  for (const auto& job : list.needs.at(method))
    if (const double value = number(finished, job, name); !std::isnan(value)) total += value;
  return static_cast<std::int64_t>(total);
}

TableGroup method_group(const JobList& list, const Finished& finished, const Config& config,
                        const Variant& variant) {
  const std::string& method = variant.name;
  const std::string final = list.needs.at(method).back();
  TableGroup group{"methods/" + method, {}, {}};
  auto& a = group.attributes;
  a["method"] = variant.base;
  if (!variant.prior.empty()) a["prior"] = variant.prior;
  if (variant.seed >= 0) a["seed"] = variant.seed;
  for (const auto* name : {"acc1", "acc5", "loss", "acc1_standard_error"})
    a[name] = number(finished, final, name);
  a["acc1_assembled"] = number(finished, final, "start_acc1");
  a["parameters"] = integer_attribute(finished.at(final), "parameters");
  a["seconds"] = sum(list, finished, method, "seconds", false);
  a["rank_seconds"] = sum(list, finished, method, "rank_seconds", false);
  a["flops"] = sum(list, finished, method, "flops", false);
  a["images"] = sum(list, finished, method, "images", false);
  for (const auto* name : {"skipped_steps", "restores"})
    a[name] = count(list, finished, method, name);
  for (const auto* name : {"test_images", "test.dropped"})
    a[name] = static_cast<std::int64_t>(number(finished, final, name));
  if (finished.at(final).contains("acc1_published"))
    a["acc1_published"] = number(finished, final, "acc1_published");
  if (finished.at(final).contains("smallest_expert_share"))
    a["smallest_expert_share"] = number(finished, final, "smallest_expert_share");
  const Context e2e = config.alike("e2e", method);
  if (const auto end_to_end = finished.find("final." + e2e); end_to_end != finished.end()) {
    a["time_ratio"] =
        std::get<double>(a["rank_seconds"]) / sum(list, finished, e2e, "rank_seconds", false);
    a["flops_ratio"] = std::get<double>(a["flops"]) / sum(list, finished, e2e, "flops", false);
    a["flops_ratio_all"] =
        sum(list, finished, method, "flops", true) / sum(list, finished, e2e, "flops", true);
    a["extra_parameters"] = std::get<std::int64_t>(a["parameters"]) -
                            integer_attribute(end_to_end->second, "parameters");
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
    acc1.push_back(number(finished, job.name, "acc1"));
    teacher.push_back(number(finished, job.name, "teacher_acc1"));
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
  const std::vector<std::string> columns{
      "acc1",         "acc5",          "loss",    "steps", "images",     "seconds",
      "rank_seconds", "eval_seconds",  "flops",   "ranks", "parameters", "trainable_parameters",
      "peak_memory",  "skipped_steps", "restores"};
  std::vector<std::vector<double>> values(columns.size());
  for (const auto& job : list.jobs) {
    if (!finished.contains(job.name)) continue;
    rows.push_back(static_cast<std::int64_t>(rows.size()));
    names.push_back(job.name);
    phases.emplace_back(enum_name(job.phase));
    for (std::size_t c = 0; c < columns.size(); ++c)
      values[c].push_back(number(finished, job.name, columns[c]));
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
  for (const auto& [job, attributes] : finished)
    origin = std::min(origin, number_attribute(attributes, "started"));
  for (const auto& job : list.jobs) {
    const auto it = finished.find(job.name);
    if (it == finished.end()) continue;
    rows.push_back(static_cast<std::int64_t>(rows.size()));
    names.push_back(job.name);
    waves.push_back(integer_attribute(it->second, "wave"));
    first_ranks.push_back(integer_attribute(it->second, "first_rank"));
    ranks.push_back(integer_attribute(it->second, "ranks"));
    starts.push_back(number_attribute(it->second, "started") - origin);
    ends.push_back(number_attribute(it->second, "finished_at") - origin);
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

// Accuracy of the meta model or of the teacher; the mean where seeds repeat it.
void add_common(Attributes& attributes, const std::string& phase, const Finished& finished,
                const Config& config) {
  std::set<std::string> jobs{phase};
  for (const auto& variant : config.variants())
    if (const Context shared = config.alike("", variant.name); !shared.empty())
      jobs.insert(phase + "." + shared);
  for (const auto* name : {"acc1", "acc1_standard_error"}) {
    std::vector<double> values;
    for (const auto& job : jobs) values.push_back(number(finished, job, name));
    if (const Mean mean = mean_of(values); mean.n > 0) attributes[phase + "_" + name] = mean.mean;
  }
}

}  // namespace

std::vector<MethodRow> method_rows(const TableFile& summary) {
  const std::string prefix = "methods/";
  std::vector<MethodRow> rows;
  for (const auto& group : summary.groups) {
    if (!group.path.starts_with(prefix)) continue;
    const auto& a = group.attributes;
    const std::string name = group.path.substr(prefix.size());
    rows.push_back({name, a.contains("method") ? text_attribute(a, "method") : name,
                    a.contains("prior") ? text_attribute(a, "prior") : "",
                    a.contains("seed") ? integer_attribute(a, "seed") : -1, &a});
  }
  return rows;
}

double MethodRow::number(const std::string& attribute) const {
  return attributes->contains(attribute) ? number_attribute(*attributes, attribute) : nan;
}

TableFile summarise(const JobList& list, const RunFolder& folder, const Config& config) {
  TableFile file;
  std::string left_out;
  const Finished finished = read_finished(list, folder, left_out);
  const DataShape& shape = list.jobs.front().shape;
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
  for (const auto& variant : config.variants())
    if (finished.contains(list.needs.at(variant.name).back()))
      file.groups.push_back(method_group(list, finished, config, variant));
  for (auto& group : given_groups(list, folder)) file.groups.push_back(std::move(group));
  file.groups.push_back(hybrid_group(list, finished));
  file.groups.push_back(job_group(list, finished));
  if (auto priors = prior_group(list, folder)) file.groups.push_back(std::move(*priors));
  if (!finished.empty()) file.groups.push_back(timeline_group(list, finished));
  return file;
}

}  // namespace m2mkd
