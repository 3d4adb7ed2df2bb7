#include <algorithm>
#include <ranges>
#include <set>

#include <fmt/ranges.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/nn/family.hpp>
#include <m2mkd/plan/cost.hpp>
#include <m2mkd/plan/recipe.hpp>

#include "job_check.hpp"

namespace m2mkd {

namespace {

/// One row of the table of phases, for one stage.
struct Row {
  Phase phase{};
  Role role{};
  int stage = -1;
  auto operator<=>(const Row&) const = default;
};

// The row of a phase that trains a whole network.
Row whole(Phase phase) {
  if (phase == Phase::pretrain) return {phase, Role::meta, -1};
  return {phase, phase == Phase::finetune ? Role::teacher : Role::student, -1};
}

// Jobs as a function of (row, scope). A job's parents are named by the first scope that gives
// the same job, so jobs that methods share have one name: the bare one where the settings without
// any method give it.
class Recipe {
 public:
  /// `matching`: jobs whose epochs wait for the FLOPs of what this recipe makes.
  Recipe(const Config& config, std::vector<std::string>& problems,
         std::vector<std::string> matching = {})
      : config_(config), problems_(problems), matching_(std::move(matching)) {}

  /// Adds the row's job in this scope and all that it needs; returns its name. `needed` gets
  /// every name.
  std::string add(const Row& row, const Scope& scope, JobList& list,
                  std::vector<std::string>& needed);
  /// Adds all that the method needs, its leaves last.
  void add_method(const Scope& method, JobList& list);

 private:
  const Job& job(const Row& row, const Scope& scope);
  Scope canonical(const Row& row, const Scope& scope);
  std::string name(const Row& row, const Scope& scope);

  Source meta(const Scope& scope) {
    return given_or(config_.init(scope).meta, {Phase::pretrain, Role::meta, -1}, scope);
  }
  Source teacher(const Scope& scope);
  Source given_or(const std::filesystem::path& file, const Row& row, const Scope& scope) {
    return file.empty() ? Source{name(row, scope), {}} : Source{"", file};
  }
  TeacherSource pair_teacher(const std::string& name, const Job& job);
  void compose(Job& job);
  void match_flops(Job& job);
  std::vector<Evaluation> evaluations(const Job& job);

  const Config& config_;
  std::vector<std::string>& problems_;
  std::vector<std::string> matching_;
  std::map<std::pair<Row, Scope>, Job> jobs_;
  std::map<std::pair<Row, Scope>, std::string> identities_;
  std::map<std::string, std::pair<Row, Scope>> by_name_;
  std::map<Row, std::set<Scope>> asked_;  ///< scopes that need the row
  std::map<std::pair<Row, std::string>, Scope>
      first_alike_;  ///< by identity; the bare one is asked for first where a row has one
  std::map<Phase, DataFacts> facts_;
  std::map<std::pair<Phase, std::string>, Evaluation> evaluations_;
};

Source Recipe::teacher(const Scope& scope) {
  const bool given = !config_.init(scope).teacher.empty() && !config_.incubate(scope).from_teacher;
  return given_or(given ? config_.init(scope).teacher : "", {Phase::finetune, Role::teacher, -1},
                  scope);
}

TeacherSource Recipe::pair_teacher(const std::string& teacher_name, const Job& job) {
  // "teacher" has the method's own settings; a further teacher is a scope of its own, with its
  // own meta.
  const bool main = teacher_name == "teacher";
  const Scope own = main ? job.scope : config_.alike(teacher_name, job.scope);
  TeacherSource source;
  source.name = teacher_name;
  source.model = config_.model("teacher", own);
  source.meta = main ? job.meta : config_.model("meta", own);
  source.meta_weights = main ? job.meta_weights : meta(own);
  const bool incubated = config_.distill(job.scope).teacher == TeacherStages::incubate &&
                         config_.init(own).teacher.empty();
  source.weights =
      incubated ? Source{name({Phase::incubate, Role::teacher, job.stage}, own), {}} : teacher(own);
  return source;
}

// Where the stage's blocks (and, over the hybrid, the meta's) stand in the ramp of drop-path rates.
void place_ramp(Job& job) {
  if (job.train.drop_path_ramp == RampOver::network || job.meta.stages() != job.model.stages())
    return;
  const auto stage = static_cast<std::size_t>(job.stage);
  DropPathRamp ramp{std::vector<std::int64_t>(job.model.depths.size(), 0), job.model.depths[stage]};
  if (job.train.drop_path_ramp == RampOver::hybrid) {
    ramp.blocks = 0;
    for (std::size_t i = 0; i < ramp.first.size(); ++i) {
      ramp.first[i] = ramp.blocks;
      ramp.blocks += i == stage ? job.model.depths[i] : job.meta.depths[i];
    }
    job.meta.drop_path = job.model.drop_path;
    job.meta.ramp = ramp;
  }
  job.model.ramp = std::move(ramp);
}

// What the row trains, from what, and what it is compared with: the table.
void Recipe::compose(Job& job) {
  const auto init = config_.init(job.scope);
  const auto parts_of = [&](Phase phase) {
    PartsStart start;
    for (int i = 0; i < job.model.stages(); ++i)
      start.parts.push_back({name({phase, job.role, i}, job.scope), {}});
    start.shape = this->job({phase, job.role, 0}, job.scope).image_shape();
    return start;
  };
  const auto given = [](const std::filesystem::path& file) {
    return file.empty() ? JobStart{} : GivenStart{{"", file}};
  };
  switch (job.phase) {
    case Phase::pretrain:
      break;
    case Phase::incubate:
      job.meta_weights = meta(job.scope);
      if (job.role == Role::student) job.start = given(init.student);
      if (job.role == Role::teacher && config_.incubate(job.scope).from_teacher)
        job.start = given(init.teacher);
      job.teacher_preparation = job.role == Role::teacher;
      break;
    case Phase::finetune:
      if (!config_.finetune(job.scope).fresh) job.start = parts_of(Phase::incubate);
      job.teacher_preparation = true;
      break;
    case Phase::distill:
      job.meta_weights = meta(job.scope);
      job.start = given(init.student);
      if (job.train.objective.compares())
        for (const auto& teacher_name : config_.distill(job.scope).teachers)
          job.teachers.push_back(pair_teacher(teacher_name, job));
      break;
    case Phase::final: {
      const auto options = config_.final(job.scope);
      if (options.start == Start::incubate) job.start = parts_of(Phase::incubate);
      if (options.start == Start::distill) job.start = parts_of(Phase::distill);
      if (options.start == Start::fresh) job.start = given(init.student);
      if (options.start == Start::upcycle)
        job.start = UpcycledStart{{name({Phase::pretrain, Role::student, -1}, job.scope), {}}};
      if (options.teacher == WholeTeacher::finetune && job.train.objective.alpha > 0)
        job.teachers.push_back(
            {"teacher", config_.model("teacher", job.scope), {}, true, teacher(job.scope), {}});
    }
  }
}

// `test`, and those of [evaluation.NAME] that are for the job.
std::vector<Evaluation> Recipe::evaluations(const Job& job) {
  auto all = own_evaluations(job.data, job.facts, job.train.eval_epochs);
  for (const auto& [name, options] : config_.evaluations()) {
    const auto meant = [&](const std::string& jobs) { return is_meant(jobs, job); };
    if (options.jobs.empty() ? job.spliced() : std::ranges::none_of(options.jobs, meant)) continue;
    const auto key = std::pair(job.phase, name);
    if (!evaluations_.contains(key))
      evaluations_[key] = make_evaluation(name, options, job.data, job.facts, problems_);
    all.push_back(evaluations_.at(key));
  }
  return all;
}

const Job& Recipe::job(const Row& row, const Scope& scope) {
  const auto key = std::pair(row, scope);
  if (const auto it = jobs_.find(key); it != jobs_.end()) return it->second;
  if (!facts_.contains(row.phase))
    facts_[row.phase] = data_facts(config_.data(row.phase), problems_);
  Job job = network_job(config_, row.phase, row.role, row.stage, scope, facts_[row.phase]);
  if (job.spliced()) place_ramp(job);
  job.evaluations = evaluations(job);
  compose(job);
  match_flops(job);
  identities_[key] = job.identity();
  return jobs_[key] = std::move(job);
}

Scope Recipe::canonical(const Row& row, const Scope& scope) {
  if (row.phase == Phase::final) return scope;
  job(row, scope);
  auto& candidates = asked_[row];
  const bool of_methods = row.role == Role::student && row.phase != Phase::distill;
  auto more = config_.plainer(scope, !of_methods);
  more.push_back(scope);
  for (const auto& candidate : more)
    if (candidates.insert(candidate).second) {
      job(row, candidate);
      first_alike_.try_emplace({row, identities_.at({row, candidate})}, candidate);
    }
  return first_alike_.at({row, identities_.at({row, scope})});
}

std::string Recipe::name(const Row& row, const Scope& scope) {
  const Scope shared = canonical(row, scope);
  const std::string& result = job(row, shared).name;
  by_name_[result] = {row, shared};
  return result;
}

std::string Recipe::add(const Row& row, const Scope& scope, JobList& list,
                        std::vector<std::string>& needed) {
  const std::string own = name(row, scope);
  const auto [own_row, own_context] = by_name_.at(own);
  Job job = this->job(own_row, own_context);
  for (const auto& parent : job.parents()) {
    const auto [parent_row, parent_context] = by_name_.at(parent);
    add(parent_row, parent_context, list, needed);
    job.wave = std::max(job.wave, list.find(parent).wave + 1);
    check_parent(job, list.find(parent), problems_);
  }
  if (std::ranges::count(needed, own) == 0) needed.push_back(own);
  if (std::ranges::count(list.jobs, own, &Job::name) == 0) {
    check_job(job, problems_);
    list.jobs.push_back(std::move(job));
  }
  return own;
}

void Recipe::add_method(const Scope& method, JobList& list) {
  auto& leaves = list.leaves[method];
  for (const auto phase : config_.leaves(method))
    if (const auto leaf = add(whole(phase), method, list, list.needs[method]);
        std::ranges::count(leaves, leaf) == 0)
      leaves.push_back(leaf);
}

// final.flops_of, finetune.flops_of: the epochs at which this method's FLOPs, or its teacher's,
// equal the other's. They are part of what the job is, whatever else is trained and wherever
// max_steps stops it.
void Recipe::match_flops(Job& job) {
  const bool whole = job.phase == Phase::final;
  if (!whole && job.phase != Phase::finetune) return;
  const std::string named =
      whole ? config_.final(job.scope).flops_of : config_.finetune(job.scope).flops_of;
  if (named.empty()) return;
  if (const auto at = std::ranges::find(matching_, job.name); at != matching_.end()) {
    std::string circle;
    for (auto name = at; name != matching_.end(); ++name) circle += *name + " -> ";
    problems_.push_back(
        fmt::format("{}.flops_of: {}{} is a circle: one of them needs epochs of its own",
                    enum_name(job.phase), circle, job.name));
    return;
  }
  auto matching = matching_;
  matching.push_back(job.name);
  const std::size_t known = problems_.size();
  const Scope other = config_.alike(named, job.scope);
  JobList list;
  Recipe(config_, problems_, matching).add_method(other, list);
  if (problems_.size() > known) return;
  for (auto& each : list.jobs) {
    each.train.max_steps = 0;
    each.cost = job_cost(each);
  }
  Job one = job;
  one.train.max_steps = 0;
  one.train.schedule.epochs = 1;
  const JobCost cost = job_cost(one);
  const double all = method_flops(list, other, false);
  job.train.schedule.epochs =
      (whole ? all : method_flops(list, other, true) - all) / (cost.train.executed * cost.images);
}

// Every name must mean a job of this run.
void check_job_names(const std::string& key, const std::vector<std::string>& names,
                     const JobList& list, std::vector<std::string>& problems) {
  std::vector<std::string> known;
  for (const auto& job : list.jobs)
    for (const auto& name : {std::string(enum_name(job.phase)), job.name})
      if (std::ranges::count(known, name) == 0) known.push_back(name);
  for (const auto& name : names) {
    if (std::ranges::any_of(list.jobs, [&](const Job& job) { return is_meant(name, job); }))
      continue;
    std::string near = did_you_mean(name, known);
    if (const auto leaves = list.leaves.find(name); leaves != list.leaves.end())
      near = fmt::format("; method {} ends in {}", name, fmt::join(leaves->second, ", "));
    problems.push_back(
        fmt::format("{}: '{}' is neither a job nor a phase of this run{} (jobs: {}{})", key, name,
                    near, fmt::join(known | std::views::take(12), " "),
                    known.size() > 12 ? " …; m2mkd plan lists them" : ""));
  }
}

}  // namespace

Job network_job(const Config& config, Phase phase, Role role, int stage, const Scope& scope,
                const DataFacts& facts) {
  Job job;
  job.name = std::string(enum_name(phase)) + (scope.empty() ? "" : "." + scope) +
             (stage < 0 ? "" : "." + std::to_string(stage));
  job.phase = phase;
  job.role = role;
  job.stage = stage;
  job.scope = scope;
  job.model = config.model(std::string(enum_name(role)), scope);
  job.meta = config.model("meta", scope);
  job.train = config.train(phase, scope);
  job.data = config.data(phase);
  job.facts = facts;
  job.hybrid = config.hybrid(scope);
  job.seed = config.seed(phase, role == Role::student, scope);
  if (job.train.drop_path >= 0) job.model.drop_path = job.train.drop_path;
  if (phase == Phase::pretrain && role == Role::student)  // the dense network that is upcycled
    if (const auto dense = job.model.model->dense(job.model)) job.model = *dense;
  return job;
}

const Job& JobList::find(const std::string& name) const {
  const auto it = std::ranges::find(jobs, name, &Job::name);
  require(it != jobs.end(), "JobList::find: no job of that name");
  return *it;
}

JobList make_jobs(const Config& config) {
  JobList list;
  std::vector<std::string> problems;
  Recipe recipe(config, problems);
  for (const auto& variant : config.variants()) recipe.add_method(variant.name, list);
  if (problems.empty()) check_job_names("run.jobs", config.run.jobs, list, problems);
  for (const auto& [name, options] : config.evaluations())
    check_job_names("evaluation." + name + ".jobs", options.jobs, list, problems);
  if (!problems.empty()) {
    std::ranges::sort(problems);
    problems.erase(std::ranges::unique(problems).begin(), problems.end());
    throw ConfigError(problems);
  }
  for (auto& job : list.jobs) job.cost = job_cost(job);
  return list;
}

std::vector<std::string> counted_jobs(const JobList& list, const std::string& method) {
  const auto& needs = list.needs.at(method);  // parents before children
  const auto& leaves = list.leaves.at(method);
  const auto prepares = [&](const std::string& job) { return list.find(job).teacher_preparation; };
  const bool judges_teacher = std::ranges::any_of(leaves, prepares);
  std::set<std::string> counted(leaves.begin(), leaves.end());
  for (auto name = needs.rbegin(); name != needs.rend(); ++name)
    if (counted.contains(*name))
      for (const auto& parent : list.find(*name).parents())
        if (judges_teacher || !prepares(parent)) counted.insert(parent);
  std::vector<std::string> jobs;
  for (const auto& name : needs)
    if (counted.contains(name)) jobs.push_back(name);
  return jobs;
}

std::set<std::string> data_notes(const JobList& list) {
  std::set<std::string> notes;
  for (const auto& job : list.jobs)
    if (!job.facts.note.empty()) notes.insert(job.facts.note);
  for (const auto& job : list.jobs)
    if (job.facts.train_images > 0 && job.train.batch > job.facts.train_images)
      notes.insert(
          fmt::format("{}: batch = {}, but there are {} images to train on: a step takes "
                      "all of them, and no more",
                      enum_name(job.phase), job.train.batch, job.facts.train_images));
  return notes;
}

std::string data_digests(const JobList& list) {
  std::set<std::string> digests;
  for (const auto& job : list.jobs) {
    digests.insert(job.facts.train_digest + "\n");
    for (const auto& evaluation : job.evaluations) digests.insert(evaluation.digest + "\n");
  }
  return fmt::format("{}", fmt::join(digests, ""));
}

double method_flops(const JobList& list, const std::string& method, bool with_teacher) {
  double flops = 0;
  for (const auto& name : with_teacher ? list.needs.at(method) : counted_jobs(list, method)) {
    const JobCost& cost = list.find(name).cost;
    flops += cost.train.executed * cost.images;
  }
  return flops;
}

std::vector<const Job*> selected_jobs(const JobList& list, const RunOptions& run) {
  std::vector<const Job*> jobs;
  for (const auto& job : list.jobs) {
    const auto meant = [&](const std::string& name) { return is_meant(name, job); };
    if (run.jobs.empty() || std::ranges::any_of(run.jobs, meant)) jobs.push_back(&job);
  }
  return jobs;
}

}  // namespace m2mkd
