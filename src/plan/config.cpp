#include <algorithm>
#include <set>

#include <m2mkd/base/error.hpp>
#include <m2mkd/nn/family.hpp>
#include <m2mkd/plan/config.hpp>

#include "config_keys.hpp"
#include "methods.hpp"

namespace m2mkd {

namespace {

const std::vector<std::string>& phase_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const auto& [phase, name] : EnumNames<Phase>::names) all.emplace_back(name);
    return all;
  }();
  return names;
}
const std::vector<std::string> overridable{"init",     "meta",    "teacher",  "student",
                                           "hybrid",   "train",   "pretrain", "incubate",
                                           "finetune", "distill", "final",    "seed"};

// "method.kd.final.start" → {"kd", "final.start"}; empty when the key is not a method's.
std::pair<std::string, std::string> method_key(const std::string& key) {
  if (!key.starts_with("method.")) return {};
  const auto dot = key.find('.', 7);
  if (dot == std::string::npos) return {};
  return {key.substr(7, dot - 7), key.substr(dot + 1)};
}

// NAMEs of [section.NAME], sorted.
std::vector<std::string> names_in(const std::string& section, const Settings& settings) {
  std::set<std::string> names;
  const auto start = section.size() + 1;
  for (const auto& [key, setting] : settings.all())
    if (key.starts_with(section + "."))
      if (const auto dot = key.find('.', start); dot != std::string::npos)
        names.insert(key.substr(start, dot - start));
  return {names.begin(), names.end()};
}

// Of further teachers, without those that are methods.
std::vector<std::string> teacher_names(const Settings& settings,
                                       const std::vector<std::string>& methods) {
  auto names = names_in("teacher", settings);
  std::erase_if(names, [&](const auto& name) { return std::ranges::count(methods, name) > 0; });
  return names;
}

void check_evaluation_names(const std::vector<std::string>& names,
                            std::vector<std::string>& problems) {
  for (const auto& name : names)
    if (name == "test" || name == "validation")
      problems.push_back(fmt::format(
          "[evaluation.{}]: '{}' is what section [data] gives: choose another name", name, name));
}

// What a method is judged by: phases that train whole networks.
std::string leaf_complaint(const std::string& text) {
  try {
    const auto phases = parse_value<std::vector<Phase>>(text);
    for (const auto phase : phases)
      if (phase == Phase::incubate || phase == Phase::distill)
        return fmt::format("{} trains single stages", enum_name(phase));
    return phases.empty() ? "name a phase" : "";
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
}

// "; did you mean 'm2mkd'? (known: e2e kd …)"
std::string among(const std::string& name, const std::vector<std::string>& known) {
  return did_you_mean(name, known) + " (known: " + print_value(known) + ")";
}

void throw_problems(std::vector<std::string> problems) {
  if (problems.empty()) return;
  std::ranges::sort(problems);
  const auto [first, last] = std::ranges::unique(problems);
  problems.erase(first, last);
  throw ConfigError(problems);
}

}  // namespace

// Where settings of `scope` are looked up: itself, its base, the base's base.
std::vector<Scope> Config::chain(const Scope& scope) const {
  std::vector<Scope> scopes;
  for (Scope c = scope; !c.empty() && std::ranges::count(scopes, c) == 0;) {
    scopes.push_back(c);
    const Setting* base = resolved_.find("method." + c + ".base");
    c = base != nullptr ? base->value : "";
  }
  return scopes;
}

std::string Config::base_circle(const Scope& method) const {
  std::string way = method;
  Scope scope = method;
  for (std::size_t steps = 0; steps <= resolved_.all().size(); ++steps) {
    const Setting* base = resolved_.find("method." + scope + ".base");
    if (base == nullptr) return {};
    scope = base->value;
    way += " -> " + scope;
    if (scope == method) return "base = " + way + " is a circle: one of them needs no base";
  }
  return {};  // into a circle of others, which say so
}

Lookup Config::lookup(const std::string& section, const Scope& scope,
                      const std::vector<std::string>& inherits) const {
  std::vector<std::string> prefixes;
  std::vector<std::string> sections{section};
  sections.insert(sections.end(), inherits.begin(), inherits.end());
  for (const auto& s : sections) {
    for (const auto& c : chain(scope)) {
      prefixes.push_back("method." + c + "." + s + ".");
      prefixes.push_back(s + "." + c + ".");
    }
    prefixes.push_back(s + ".");
  }
  return [this, prefixes](std::string_view name) -> const Setting* {
    for (const auto& prefix : prefixes)
      if (const Setting* setting = resolved_.find(prefix + std::string(name))) return setting;
    return nullptr;
  };
}

template <class O>
O Config::read_section(const Keys<O>& keys, const std::string& section, const Scope& scope,
                       const std::vector<std::string>& inherits) const {
  O options;
  std::vector<std::string> problems;
  keys.read(options, lookup(section, scope, inherits), problems);
  throw_problems(std::move(problems));
  return options;
}

Config Config::read(const std::vector<std::filesystem::path>& files,
                    const std::vector<std::pair<std::string, std::string>>& settings,
                    const std::string& base) {
  Config config;
  std::vector<std::string> problems;
  config.settings_.add_ini(shipped_methods, "built in", problems);
  if (!base.empty()) config.settings_.add_ini(base, "the stored configuration", problems);
  for (const auto& file : files) config.settings_.add_file(file, problems);
  for (const auto& [key, value] : settings) config.settings_.set(key, value, {"command line", 0});
  const Setting* dir = config.settings_.find("run.dir");
  if ((dir == nullptr || dir->value.empty()) && !files.empty())
    config.settings_.set("run.dir", "results/" + files.front().stem().string(), {"built in", 0});
  config.drop_retired();
  config.add_published(problems);
  config.validate(problems);
  return config;
}

// Keys of earlier versions that did nothing stand in the configurations of their files.
void Config::drop_retired() {
  settings_.erase("machine.ranks_per_node");
}

Config Config::from_text(const std::string& ini, const std::string& source) {
  Config config;
  std::vector<std::string> problems;
  config.settings_.add_ini(shipped_methods, "built in", problems);
  config.settings_.add_ini(ini, source, problems);
  config.drop_retired();
  config.validate(problems);
  return config;
}

// Beneath everything that is written; the first that sets a key wins.
void Config::add_published(std::vector<std::string>& problems) {
  const auto is = [&](const char* key, std::string_view value) {
    const Setting* setting = settings_.find(key);
    return setting != nullptr && setting->value == value;
  };
  if (!is("compat", enum_name(Compat::published))) return;
  Settings own, general;
  for (const auto* family : families())
    if (is("student.model", family->name()))
      own.add_ini(family->published_settings(), "compat = published, " + family->name(), problems);
  general.add_ini(published_switches, "compat = published", problems);
  for (const auto* switches : {&own, &general})
    for (const auto& [key, setting] : switches->all())
      if (settings_.find(key) == nullptr) settings_.set(key, setting.value, setting.origin);
}

std::vector<std::string> Config::methods() const {
  std::set<std::string> names;
  for (const auto& [key, setting] : settings_.all())
    if (auto [method, rest] = method_key(key); !method.empty()) names.insert(method);
  return {names.begin(), names.end()};
}

void Config::validate(std::vector<std::string>& problems) {
  const auto known = methods();
  resolved_ = settings_;
  run_keys().read(run, lookup("run", "", {}), problems);
  if (run.methods.empty())
    problems.push_back("run.methods is empty: name at least one of: " + print_value(known));
  std::vector<std::string> compared;
  for (const auto& method : run.methods)
    if (std::ranges::count(known, method) > 0)
      compared.push_back(method);
    else
      problems.push_back("run.methods: unknown method '" + method + "'" + among(method, known));
  add_variants(compared);
  add_repeated_scopes({""});
  auto scopes = known;
  for (const auto& [name, variant] : made_) scopes.push_back(name);
  const auto teachers = teacher_names(settings_, scopes);
  add_repeated_scopes(teachers);
  check_variants(known, problems);
  scopes = known;
  scopes.insert(scopes.end(), teachers.begin(), teachers.end());
  for (const auto& [name, variant] : made_) scopes.push_back(name);

  std::map<std::string, std::vector<std::string>> qualifiers;
  for (const auto& section : overridable) qualifiers[section] = scopes;
  qualifiers["data"] = phase_names();
  qualifiers["evaluation"] = names_in("evaluation", settings_);
  check_evaluation_names(qualifiers["evaluation"], problems);
  for (auto& problem : schema().unknown(settings_, qualifiers, {"method"}))
    problems.push_back(std::move(problem));

  for (const auto& [key, setting] : settings_.all()) {
    const auto [method, rest] = method_key(key);
    if (method.empty()) {
      if (key.starts_with("method."))
        problems.push_back(setting.origin.text() + ": '" + key + "' lacks a method name");
      continue;
    }
    if (rest == "base") {
      if (std::ranges::count(known, setting.value) == 0)
        problems.push_back(setting.origin.text() + ": base = " + setting.value +
                           ": no such method" + among(setting.value, known));
      else if (const auto circle = base_circle(method); !circle.empty())
        problems.push_back(setting.origin.text() + ": " + circle);
      continue;
    }
    if (rest == "leaf") {
      if (const auto complaint = leaf_complaint(setting.value); !complaint.empty())
        problems.push_back(setting.origin.text() + ": leaf = " + setting.value + ": " + complaint +
                           "; a method is judged by pretrain, finetune or final");
      continue;
    }
    const auto dot = rest.find('.');
    const std::string section = rest.substr(0, dot),
                      name = dot == std::string::npos ? "" : rest.substr(dot + 1);
    if (std::ranges::count(overridable, section) == 0 || !schema().knows(section, name))
      problems.push_back(setting.origin.text() + ": '" + rest + "' in [method." + method +
                         "] is not a setting of a phase or model, such as distill.alpha");
  }

  auto all_teachers = names_in("teacher", settings_);
  all_teachers.emplace_back("teacher");
  // Every value is parsed in every scope in which somebody wrote one, so that all mistakes show
  // at once.
  scopes.emplace_back();
  for (const auto& c : scopes) {
    const auto parse = [&]<class O>(const Keys<O>& keys, const std::string& section, bool trains) {
      O options;
      keys.read(options,
                lookup(section, c,
                       trains ? std::vector<std::string>{"train"} : std::vector<std::string>{}),
                problems);
      return options;
    };
    for (const auto& phase : phase_names()) parse(TrainOptions::keys(), phase, true);
    for (const auto* model : {"meta", "teacher", "student"})
      parse(ModelOptions::keys(), model, false);
    parse(init_keys(), "init", false);
    parse(incubate_keys(), "incubate", false);
    for (const auto& name : parse(distill_keys(), "distill", false).teachers)
      if (std::ranges::count(all_teachers, name) == 0)
        problems.push_back(
            fmt::format("distill.teachers: '{}' is neither teacher nor a section [teacher.NAME]{}",
                        name, did_you_mean(name, all_teachers)));
    const auto check_method = [&](const char* key, const std::string& other) {
      if (!other.empty() && std::ranges::count(known, other) == 0 && !made_.contains(other))
        problems.push_back(std::string(key) + " = " + other + ": no such method" +
                           among(other, known));
    };
    check_method("finetune.flops_of", parse(finetune_keys(), "finetune", false).flops_of);
    check_method("final.flops_of", parse(final_keys(), "final", false).flops_of);
    parse(hybrid_keys(), "hybrid", false);
    parse(seed_keys(), "seed", false);
    if (c.empty()) {
      GlobalOptions global;
      global_keys().read(
          global, [&](std::string_view name) { return settings_.find(name); }, problems);
      parse(compat_keys(), "compat", false);
      machine = parse(machine_keys(), "machine", false);
    }
  }
  // A [teacher.NAME] that no pair uses is most likely a misspelt method.
  std::set<std::string> used;
  for (const auto& [key, setting] : settings_.all())
    if (key == "teachers" || key.ends_with(".teachers"))
      for (const auto& name : split_list(setting.value)) used.insert(name);
  for (const auto& name : teachers)
    if (!used.contains(name))
      problems.push_back("[teacher." + name + "]: '" + name +
                         "' is neither a method nor listed in distill.teachers");

  for (const auto& phase : phase_names()) {
    DataOptions options;
    DataOptions::keys().read(options, lookup("data", phase, {}), problems);
  }
  for (const auto& name : names_in("evaluation", settings_)) {
    EvaluationOptions options;
    EvaluationOptions::keys().read(options, lookup("evaluation." + name, "", {}), problems);
  }
  throw_problems(std::move(problems));
}

TrainOptions Config::train(Phase phase, const Scope& scope) const {
  return read_section(TrainOptions::keys(), std::string(enum_name(phase)), scope, {"train"});
}
DataOptions Config::data(Phase phase) const {
  DataOptions options = read_section(DataOptions::keys(), "data", std::string(enum_name(phase)));
  options.published_ranks = read_section(compat_keys(), "compat", "").ranks;
  return options;
}
ModelOptions Config::model(const std::string& section, const Scope& scope) const {
  return read_section(ModelOptions::keys(), section, scope);
}
InitOptions Config::init(const Scope& scope) const {
  return read_section(init_keys(), "init", scope);
}
IncubateOptions Config::incubate(const Scope& scope) const {
  return read_section(incubate_keys(), "incubate", scope);
}
FinetuneOptions Config::finetune(const Scope& scope) const {
  return read_section(finetune_keys(), "finetune", scope);
}
DistillOptions Config::distill(const Scope& scope) const {
  return read_section(distill_keys(), "distill", scope);
}
FinalOptions Config::final(const Scope& scope) const {
  return read_section(final_keys(), "final", scope);
}
HybridOptions Config::hybrid(const Scope& scope) const {
  return read_section(hybrid_keys(), "hybrid", scope);
}

std::map<std::string, EvaluationOptions> Config::evaluations() const {
  std::map<std::string, EvaluationOptions> all;
  for (const auto& name : names_in("evaluation", settings_))
    all[name] = read_section(EvaluationOptions::keys(), "evaluation." + name, "");
  return all;
}
std::vector<Phase> Config::leaves(const Scope& method) const {
  for (const auto& scope : chain(method))
    if (const Setting* leaf = resolved_.find("method." + scope + ".leaf"))
      return parse_value<std::vector<Phase>>(leaf->value);
  return {Phase::final};
}

std::uint64_t Config::seed(Phase phase, bool student, const Scope& scope) const {
  const auto seeds = read_section(seed_keys(), "seed", scope);
  std::int64_t seed = seeds.final;
  if (phase == Phase::finetune || (phase == Phase::incubate && !student)) seed = seeds.teacher;
  if (phase == Phase::distill || (phase == Phase::incubate && student)) seed = seeds.distill;
  if (phase == Phase::pretrain && !student) seed = seeds.pretrain;
  return static_cast<std::uint64_t>(seed < 0 ? run.seed : seed);
}

std::string Config::text() const {
  return schema().resolved(settings_) + variants_comment();
}

std::string Config::defaults_text() {
  return schema().defaults() +
         "\n# Shipped methods. A method is a name, a base and the keys it changes.\n" +
         shipped_methods;
}

}  // namespace m2mkd
