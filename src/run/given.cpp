#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include <fmt/ranges.h>

#include <m2mkd/base/cell.hpp>
#include <m2mkd/base/log.hpp>
#include <m2mkd/comm/on_root.hpp>
#include <m2mkd/data/provenance.hpp>
#include <m2mkd/nn/family.hpp>
#include <m2mkd/nn/load.hpp>
#include <m2mkd/nn/models.hpp>
#include <m2mkd/nn/weights.hpp>
#include <m2mkd/run/build.hpp>
#include <m2mkd/run/given.hpp>
#include <m2mkd/run/heartbeat.hpp>

#include "starts.hpp"

namespace m2mkd {

namespace {

bool is_of(const TableGroup& group, const WholeNetwork& given) {
  const auto& a = group.attributes;
  return a.contains("file") && text_attribute(a, "file") == given.source.file.string() &&
         text_attribute(a, "network") == given.role;
}

std::string path_of(std::size_t row) {
  return fmt::format("given/{}", row);
}

// What the record says of this network on today's test set; null where it says nothing.
const TableGroup* known(const TableFile& file, const WholeNetwork& given) {
  const auto found = std::ranges::find_if(file.groups, [&](const auto& group) {
    return is_of(group, given) &&
           text_attribute(group.attributes, "test.digest") == given.job->facts.test_digest;
  });
  return found == file.groups.end() ? nullptr : &*found;
}

TableFile read_record(const RunFolder& folder) {
  return std::filesystem::exists(folder.given()) ? read_table_file(folder.given()) : TableFile();
}

void keep(const WholeNetwork& given, const std::string& digest, const Accuracy& accuracy,
          const std::string& warning, const RunFolder& folder) {
  TableFile file = read_record(folder);
  std::erase_if(file.groups, [&](const auto& group) { return is_of(group, given); });
  for (std::size_t i = 0; i < file.groups.size(); ++i) file.groups[i].path = path_of(i);
  file.groups.push_back({path_of(file.groups.size()),
                         {{"network", given.role},
                          {"file", given.source.file.string()},
                          {"digest", digest},
                          {"test.digest", given.job->facts.test_digest},
                          {"acc1", accuracy.acc1},
                          {"acc5", accuracy.acc5},
                          {"loss", accuracy.loss},
                          {"acc1_standard_error", accuracy.standard_error()},
                          {"test_images", accuracy.count},
                          {"warning", warning}},
                         {}});
  write_table_file(folder.given(), file);
}

// Settings that weights do not show, against those that the file itself remembers; said, where it
// remembers none.
void require_same_model(const WholeNetwork& given, const Attributes& attributes,
                        const std::string& who) {
  const Family& family = *given.model.model;
  const bool told = attributes.contains("config") && attributes.contains("network");
  const auto keys = ModelOptions::keys();
  struct Difference {
    std::string key, its, mine;
  };
  std::vector<Difference> different;
  std::vector<std::string> taken, problems;
  std::optional<ModelOptions> made;
  if (told)
    made = Config::from_text(text_attribute(attributes, "config"), who)
               .model(text_attribute(attributes, "network"), text_attribute(attributes, "method"));
  for (const auto& key : keys.keys()) {
    if (!family.leaves_no_trace(key.name)) continue;
    const auto mine = key.print(given.model);
    if (!told)
      taken.push_back(key.name + " = " + mine);
    else if (const auto its = key.print(*made); its != mine)
      different.push_back({key.name, its, mine});
  }
  for (const auto& [key, its, mine] : different)
    if (family.may_differ_at_start(key))
      log::info("{} was made with {} = {}, here {}.{} is {}", who, key, its, given.role, key, mine);
    else
      problems.push_back(fmt::format(
          "{} was made with {} = {}, which its weights do not show, and {}.{} is {}: set it to {}",
          who, key, its, given.role, key, mine, its));
  if (!problems.empty()) throw ConfigError(problems);
  if (!told)
    log::info("{} does not tell, so the settings say: {}{}", who, fmt::join(taken, ", "),
              family.assumed().empty() ? "" : "; " + family.assumed() + ": taken");
}

// "no better than always the same answer (10.0 %)", "its loss is not finite"; empty where neither.
std::string worthless(const Accuracy& accuracy, const Dataset& test) {
  if (!std::isfinite(accuracy.loss)) return "its loss is not finite";
  std::map<std::int32_t, std::int64_t> counts;
  for (std::int64_t i = 0; i < test.size(); ++i) ++counts[test.label(i)];
  std::int64_t most = 0;
  for (const auto& [label, count] : counts) most = std::max(most, count);
  const auto n = static_cast<double>(test.size());
  const double p = static_cast<double>(most) / n;
  if (accuracy.acc1 > 100 * (p + 3 * std::sqrt(p * (1 - p) / n))) return {};
  return fmt::format("no better than always the same answer ({:.2f} %)", 100 * p);
}

std::vector<const TableGroup*> rows(const TableFile& summary) {
  std::vector<const TableGroup*> found;
  for (const auto& group : summary.groups)
    if (group.path.starts_with("given/")) found.push_back(&group);
  return found;
}

}  // namespace

std::vector<WholeNetwork> given_files(const JobList& list) {
  std::vector<WholeNetwork> networks;
  const auto add = [&](const WholeNetwork& network) {
    if (!network.source.file.empty() &&
        std::ranges::count(networks, network.source.file,
                           [](const auto& n) { return n.source.file; }) == 0)
      networks.push_back(network);
  };
  for (const auto& network : whole_networks(list))
    if (network.role == "meta" || network.role == "teacher") add(network);
  for (const auto& job : list.jobs)  // init.student, incubate.from_teacher
    if (const auto* start = std::get_if<GivenStart>(&job.start))
      add({start->file.file.string(), std::string(enum_name(job.role)), job.model, start->file,
           &job});
  return networks;
}

std::vector<WholeNetwork> given_networks(const JobList& list) {
  auto networks = given_files(list);
  std::erase_if(networks, [](const auto& network) { return network.role == "student"; });
  return networks;
}

void require_fitting(const WholeNetwork& given) {
  const auto& shape = given.job->facts;
  const auto attributes = weights_attributes(given.source.file);
  const std::string who = fmt::format("the given {} {}", given.role, given.source.file.string());
  require_same_model(given, attributes, who);
  if (given.role == "student") return;  // it is trained on this data
  const auto found = data_differences(attributes, shape.class_names, shape.mean, shape.std);
  if (!found.classes.empty())
    throw ConfigError(fmt::format(
        "{} knows other classes than data.train ({}): pack the data with its list of classes, or "
        "give another file",
        who, found.classes));
  if (!found.normalisation.empty())
    log::warn(
        "{} learnt images of another normalisation than data.train has ({}): set data.mean and "
        "data.std, if its own is meant",
        who, found.normalisation);
}

namespace {

// Loads the file into the network that it is for, without values: names and shapes are compared.
void require_loadable(const WholeNetwork& given) {
  const auto shape = given.job->image_shape();
  load(make_chain(given.model, shape, {given.job->meta, shape}, given.role, at::kMeta),
       read_stages(given.source.file, given.model.depths, -1).tensors,
       fmt::format("{} ({})", given.source.file.string(), given.role));
}

// The same for a start of a stage or a student, by the job's own way of loading it.
void require_loadable(const GivenStart& start, const Job& job) {
  Attributes unused;
  load_start(start, {job, bare_chain(job, at::kMeta),
                     [&](const Source& source, int stage) {
                       return read_stages(source.file, job.model.depths, stage).tensors;
                     },
                     unused});
}

std::string missing_file(const std::filesystem::path& file) {
  std::error_code error;
  return std::filesystem::exists(file, error) ? "" : "no such file" + taken_from(file);
}

}  // namespace

std::vector<std::string> given_problems(const std::vector<const Job*>& jobs) {
  std::vector<std::string> problems;
  std::set<std::string> seen;
  const auto look = [&](const WholeNetwork& given, const auto& load_it) {
    const auto& file = given.source.file;
    if (file.empty() || !seen.insert(fmt::format("{} {}", given.name, file.string())).second)
      return;
    const std::string start = fmt::format("init.{} = {}: ", given.role, file.string());
    if (const auto missing = missing_file(file); !missing.empty())
      return problems.push_back(start + missing);
    try {
      require_fitting(given);
      load_it();
    } catch (const Error& error) {
      problems.push_back(start + error.what());
    }
  };
  const auto look_at_whole = [&](const std::string& name, const std::string& role,
                                 const ModelOptions& model, const Source& source, const Job& job) {
    const WholeNetwork given{name, role, model, source, &job};
    look(given, [&] { require_loadable(given); });
  };
  for (const Job* job : jobs) {
    look_at_whole("meta", "meta", job->meta, job->meta_weights, *job);
    for (const auto& teacher : job->teachers) {
      look_at_whole(teacher.name + "'s meta", "meta", teacher.meta, teacher.meta_weights, *job);
      look_at_whole(teacher.name, "teacher", teacher.model, teacher.weights, *job);
    }
    if (const auto* start = std::get_if<GivenStart>(&job->start))
      look({job->name, std::string(enum_name(job->role)), job->model, start->file, job},
           [&] { require_loadable(*start, *job); });
  }
  std::ranges::sort(problems);
  const auto [first, last] = std::ranges::unique(problems);
  problems.erase(first, last);
  return problems;
}

std::optional<TestedGiven> test_given(const WholeNetwork& given, const RunFolder& folder,
                                      const Communicator& group, c10::Device device,
                                      const std::function<void(const std::string&)>& beat) {
  const Job& job = *given.job;
  Builder builder(folder, {}, group, device);
  const Chain chain = builder.frozen(given.role, given.model, job, given.source, -1);
  const Dataset test(job.data, Split::test);
  test.expect(job.facts.test_digest);
  const auto found = evaluate(std::span(&chain, 1), {.dataset = test,
                                                     .data = job.data,
                                                     .batch = job.train.eval_batch,
                                                     .precision = job.train.precision,
                                                     .group = group,
                                                     .device = device,
                                                     .beat = beat});
  if (!found) return std::nullopt;
  return TestedGiven{found->front(), worthless(found->front(), test)};
}

bool evaluate_given(const JobList& list, const RunFolder& folder, const Digests& digests,
                    const Session& session, Watchdog& watchdog) {
  const Communicator& world = session.world();
  Heartbeat heart(world, watchdog);
  const auto beat = [&](const std::string& what) { heart.beat(what); };
  for (const auto& given : given_networks(list)) {
    beat("evaluating the given " + given.role);
    const auto open = on_root(world, [&] {
      const TableFile file = read_record(folder);
      const auto* row = known(file, given);
      const auto digest = digests.find(digest_key(given.source));  // of the jobs that are selected
      const bool due =
          digest != digests.end() &&
          (row == nullptr || text_attribute(row->attributes, "digest") != digest->second);
      return std::string(due ? "open" : "");
    });
    if (open.empty()) continue;
    const auto tested = test_given(given, folder, world, session.device(), beat);
    if (!tested) return false;
    const auto& [accuracy, warning] = *tested;
    const std::string who = fmt::format("given {} {}", given.role, given.source.file.string());
    if (!std::isfinite(accuracy.loss))
      throw CollectiveError(world.rank() == 0
                                ? fmt::format("{}: {} on {} test images: nothing can learn from it",
                                              who, warning, accuracy.count)
                                : std::string());
    on_root(world, [&] {
      log::info("{}: acc1={:.2f} ±{:.2f} acc5={:.2f} on {} test images", who, accuracy.acc1,
                accuracy.standard_error(), accuracy.acc5, accuracy.count);
      if (!warning.empty()) log::warn("{}: {}", who, warning);
      keep(given, digests.at(digest_key(given.source)), accuracy, warning, folder);
      return std::string();
    });
  }
  return true;
}

std::vector<TableGroup> given_groups(const JobList& list, const RunFolder& folder) {
  std::vector<TableGroup> groups;
  const TableFile file = read_record(folder);
  for (const auto& given : given_networks(list))
    if (const auto* group = known(file, given)) {
      groups.push_back(*group);
      groups.back().path = path_of(groups.size() - 1);
    }
  return groups;
}

std::string given_rows(const TableFile& summary) {
  std::string text;
  for (const TableGroup* row : rows(summary)) {
    const auto& a = row->attributes;
    text += fmt::format("{:<14}{} ±{}  {}\n", "given " + text_attribute(a, "network"),
                        cell(number_attribute(a, "acc1"), "{:.2f}", 8),
                        cell(number_attribute(a, "acc1_standard_error"), "{:.2f}", 5),
                        text_attribute(a, "file"));
  }
  return text;
}

std::string given_warnings(const TableFile& summary) {
  std::string text;
  for (const TableGroup* row : rows(summary))
    if (const auto warning = text_attribute(row->attributes, "warning"); !warning.empty())
      text += fmt::format("warning: the given {} ({}): {}\n",
                          text_attribute(row->attributes, "network"),
                          text_attribute(row->attributes, "file"), warning);
  return text;
}

double given_acc1(const TableFile& summary, const std::string& network) {
  for (const TableGroup* row : rows(summary))
    if (text_attribute(row->attributes, "network") == network)
      return number_attribute(row->attributes, "acc1");
  return std::nan("");
}

}  // namespace m2mkd
