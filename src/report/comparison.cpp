#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <m2mkd/base/error.hpp>
#include <m2mkd/plan/difference.hpp>
#include <m2mkd/report/comparison.hpp>
#include <m2mkd/run/run_folder.hpp>

namespace m2mkd {

namespace {

// Settings that repetitions share, as "section.key = value": without what they are called and which
// seed they have.
std::set<std::string> shared_settings(const RunSummary& run) {
  std::set<std::string> settings;
  const auto config = run.table.attributes.find("config");
  if (config == run.table.attributes.end()) return settings;
  for (const auto& [key, value] : settings_of(text_attribute(run.table.attributes, "config")))
    if (!key.starts_with("run.") && !key.starts_with("seed") && !key.starts_with("machine."))
      settings.insert(key + " = " + value);
  return settings;
}

void warn_of_other_settings(const std::vector<RunSummary>& runs,
                            std::vector<std::string>& warnings) {
  const auto first = shared_settings(runs.front());
  for (std::size_t i = 1; i < runs.size(); ++i) {
    std::vector<std::string> differences;
    std::ranges::set_symmetric_difference(first, shared_settings(runs[i]),
                                          std::back_inserter(differences));
    if (!differences.empty())
      warnings.push_back(fmt::format(
          "{} has other settings than {}, so their mean may mean nothing ({}{})",
          runs[i].dir.string(), runs.front().dir.string(), differences.front(),
          differences.size() > 1 ? fmt::format(" and {} more", differences.size() - 1) : ""));
  }
}

// Runs of earlier versions do not tell.
void warn_of_other_test_sets(const std::vector<RunSummary>& runs,
                             std::vector<std::string>& warnings) {
  for (const auto& run : runs)
    if (const auto digest = text_or_empty(run.table.attributes, "test.digest"),
        first = text_or_empty(runs.front().table.attributes, "test.digest");
        !digest.empty() && !first.empty() && digest != first)
      warnings.push_back(fmt::format(
          "{} was tested on {} (digest {}), {} on {} (digest {}): their accuracies cannot be "
          "compared. Start one again with the other's data.test: what is finished is tested again",
          run.dir.string(), text_attribute(run.table.attributes, "test.name"), digest,
          runs.front().dir.string(), text_attribute(runs.front().table.attributes, "test.name"),
          first));
}

// All seeds that a training depends on, as far as they may differ between repetitions: run.seed,
// and of run.seeds.
using Seeds = std::pair<std::int64_t, std::int64_t>;

std::string seeds_text(const Seeds& seeds) {
  return seeds.second < 0
             ? fmt::format("seed {}", seeds.first)
             : fmt::format("seed {} (of run.seeds, run.seed = {})", seeds.second, seeds.first);
}

/// One training of a method.
struct Training {
  Repetition repetition;
  Seeds seeds;
  MethodRow row;
};

std::vector<Training> trainings(const std::vector<RunSummary>& runs) {
  std::vector<Training> all;
  for (std::size_t i = 0; i < runs.size(); ++i)
    for (auto& row : method_rows(runs[i].table)) {
      const bool of_all = row.seed >= 0 && runs[i].seeds_of == enum_name(SeedsOf::all);
      const Seeds seeds = of_all ? Seeds{row.seed, -1} : Seeds{runs[i].seed, row.seed};
      const Repetition repetition{i, row.seed};
      all.push_back({repetition, seeds, std::move(row)});
    }
  return all;
}

using Trainings = std::vector<const Training*>;

std::string with_prior(const std::string& method, const std::string& prior) {
  return prior.empty() ? method : method + "_" + prior;
}

Trainings select(const std::vector<Training>& all, const std::string& method,
                 const std::string& prior) {
  Trainings some;
  for (const auto& training : all)
    if (training.row.method == method && training.row.prior == prior) some.push_back(&training);
  return some;
}

void warn_of_equal_seeds(const std::string& name, const Trainings& some,
                         std::vector<std::string>& warnings) {
  std::map<Seeds, int> count;
  for (const auto* training : some)
    if (++count[training->seeds] == 2)
      warnings.push_back(
          fmt::format("{}: {} occurs more than once: these runs are no independent repetitions",
                      name, seeds_text(training->seeds)));
}

// acc1 of `some` minus that of `first`: in the same repetition, or else with the only other
// training of the same seeds.
std::vector<double> differences(const Trainings& some, const Trainings& first,
                                const std::string& evaluation) {
  const auto acc1 = [&](const Training* t) { return t->row.results.value(evaluation, "acc1"); };
  std::vector<double> values;
  for (const auto* own : some) {
    Trainings partners;
    for (const auto* other : first)
      if (other->repetition == own->repetition) partners = {other};
    if (partners.empty())
      std::ranges::copy_if(first, std::back_inserter(partners),
                           [&](const Training* other) { return other->seeds == own->seeds; });
    if (partners.size() == 1) values.push_back(acc1(own) - acc1(partners.front()));
  }
  return values;
}

MethodComparison compare(const Trainings& some, const Trainings& first,
                         const std::vector<Repetition>& repetitions,
                         const std::string& evaluation) {
  const MethodRow& row = some.front()->row;
  MethodComparison result;
  result.evaluation = evaluation;
  result.method = row.method;
  result.prior = row.prior;
  result.name = with_prior(row.method, row.prior);
  if (!first.empty()) result.to = with_prior(first.front()->row.method, row.prior);
  for (const auto& repetition : repetitions) {
    const auto it = std::ranges::find(some, repetition, &Training::repetition);
    result.acc1s.push_back(it == some.end() ? std::nan("")
                                            : (*it)->row.results.value(evaluation, "acc1"));
  }
  const auto mean = [&](const auto& number) {
    std::vector<double> values;
    for (const auto* training : some) values.push_back(number(training->row));
    return mean_of(values);
  };
  const auto scored = [&](const char* metric) {
    return mean([&](const MethodRow& leaf) { return leaf.results.value(evaluation, metric); });
  };
  const auto of_method = [&](const char* attribute) {
    return mean([&](const MethodRow& leaf) { return leaf.number(attribute); });
  };
  result.acc1 = scored("acc1");
  result.assembled = scored("start_acc1");
  result.time_ratio = of_method("time_ratio");
  result.flops_ratio = of_method("flops_ratio");
  result.flops_ratio_all = of_method("flops_ratio_all");
  result.difference = mean_of(differences(some, first, evaluation));
  return result;
}

}  // namespace

RunSummary read_run_summary(const std::filesystem::path& dir) {
  const auto path = RunFolder{dir}.summary();
  if (!std::filesystem::is_directory(dir))
    fail("'{}' is no run directory: there is no such folder", dir.string());
  if (!std::filesystem::exists(path))
    fail(
        "'{}' has no summary.h5 [it is written when all jobs of a run are finished]: m2mkd status "
        "{} tells how far it is",
        dir.string(), dir.string());
  return run_summary(dir, read_table_file(path));
}

RunSummary run_summary(const std::filesystem::path& dir, TableFile table) {
  const std::int64_t seed = integer_or_zero(table.attributes, "seed");
  auto seeds_of = text_or_empty(table.attributes, "seeds_of");
  return {dir, seed, std::move(seeds_of), std::move(table)};
}

Comparison compare_runs(const std::vector<RunSummary>& runs) {
  Comparison result;
  const auto all = trainings(runs);
  std::vector<std::pair<std::string, std::string>> rows;  // method and prior
  std::vector<std::string> evaluations;
  const auto add_once = [](auto& list, const auto& item) {
    if (std::ranges::count(list, item) == 0) list.push_back(item);
  };
  for (const auto& run : runs)
    for (const auto& name : evaluation_names(run.table)) add_once(evaluations, name);
  for (const auto& training : all) {
    add_once(rows, std::pair(training.row.method, training.row.prior));
    add_once(result.repetitions, training.repetition);
  }
  std::ranges::sort(result.repetitions, {}, &Repetition::run);
  for (const auto& evaluation : evaluations)
    for (const auto& [method, prior] : rows) {
      auto compared = compare(select(all, method, prior), select(all, rows.front().first, prior),
                              result.repetitions, evaluation);
      if (compared.acc1.n > 0) result.methods.push_back(std::move(compared));
    }
  for (const auto& [method, prior] : rows)
    warn_of_equal_seeds(with_prior(method, prior), select(all, method, prior), result.warnings);
  warn_of_other_test_sets(runs, result.warnings);
  warn_of_other_settings(runs, result.warnings);
  return result;
}

}  // namespace m2mkd
