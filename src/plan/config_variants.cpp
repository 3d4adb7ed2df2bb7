// run.priors and run.seeds: the methods that they make of those in run.methods.

#include <algorithm>
#include <sstream>

#include <fmt/format.h>

#include <m2mkd/nn/family.hpp>
#include <m2mkd/plan/config.hpp>

namespace m2mkd {

namespace {

// "m2mkd_erdos_renyi_seed2"; without a prior: "", without a seed: -1; "seed2" of no method.
std::string variant_name(const Scope& base, const std::string& prior, std::int64_t seed) {
  std::string name = base;
  const auto append = [&](const std::string& word) { name += (name.empty() ? "" : "_") + word; };
  if (!prior.empty()) append(prior);
  if (seed >= 0) append("seed" + std::to_string(seed));
  return name;
}

const std::vector<const char*>& repeated_phases(SeedsOf seeds_of) {
  static const std::vector<const char*> final{"final"},
      all{"pretrain", "teacher", "distill", "final"};
  return seeds_of == SeedsOf::all ? all : final;
}

}  // namespace

Variant Config::add_variant(const Scope& base, const std::string& prior, std::int64_t seed) {
  Variant variant{variant_name(base, prior, seed), base, prior, seed};
  if (variant.name == base || !made_.emplace(variant.name, variant).second) return variant;
  const auto set = [&](const std::string& key, const std::string& value, const char* reason) {
    resolved_.set("method." + variant.name + "." + key, value, {reason, 0});
  };
  const Scope from = seed < 0 ? base : variant_name(base, prior, -1);
  if (!from.empty()) set("base", from, prior.empty() ? "run.seeds" : "run.priors");
  if (!prior.empty() && seed < 0) set("student.prior", prior, "run.priors");
  if (seed >= 0)
    for (const auto* phase : repeated_phases(run.seeds_of))
      set(std::string("seed.") + phase, std::to_string(seed), "run.seeds");
  return variant;
}

void Config::add_variants(const std::vector<std::string>& methods) {
  std::vector<std::string> priors;
  for (const auto prior : run.priors) priors.emplace_back(enum_name(prior));
  if (priors.empty()) priors.emplace_back();
  auto seeds = run.seeds;
  if (seeds.empty()) seeds.push_back(-1);
  for (const auto& method : methods)
    for (const auto& prior : priors) {
      add_variant(method, prior, -1);
      for (const auto seed : seeds) {
        add_variant(method, "", seed);
        variants_.push_back(add_variant(method, prior, seed));
      }
    }
}

void Config::add_repeated_scopes(const std::vector<Scope>& scopes) {
  if (run.seeds_of != SeedsOf::all) return;
  for (const auto seed : run.seeds)
    for (const auto& scope : scopes) add_variant(scope, "", seed);
}

void Config::check_variants(const std::vector<std::string>& known,
                            std::vector<std::string>& problems) const {
  const auto place = [&](const char* key) { return settings_.find(key)->origin.text(); };
  for (const auto& [name, variant] : made_)
    if (std::ranges::count(known, name) > 0) {
      const char* key = variant.seed < 0 ? "run.priors" : "run.seeds";
      problems.push_back(fmt::format(
          "{}: {} makes a method '{}' of '{}', but there is one of that name already: give that "
          "another name",
          place(key), key, name, variant.base));
    }
  if (run.priors.empty()) return;
  for (const auto& variant : variants_) {
    ModelOptions student;
    std::vector<std::string> reported_elsewhere;
    ModelOptions::keys().read(student, lookup("student", variant.base, {}), reported_elsewhere);
    if (!student.model->has_graph_prior())
      problems.push_back(
          fmt::format("{}: run.priors: '{}' has student.model = {}, which has no graph prior",
                      place("run.priors"), variant.base, student.model->name()));
  }
}

std::vector<Scope> Config::plainer(const Scope& scope, bool of_no_method) const {
  std::vector<Scope> scopes;
  if (of_no_method) scopes.emplace_back();
  const auto it = made_.find(scope);
  if (it == made_.end()) return scopes;
  const auto& [name, base, prior, seed] = it->second;
  const auto add = [&](const Scope& plain) {
    if (plain != scope && (plain == base || made_.contains(plain))) scopes.push_back(plain);
  };
  if (of_no_method) add(variant_name("", "", seed));
  if (!base.empty()) add(base);
  add(variant_name(base, prior, -1));
  add(variant_name(base, "", seed));
  return scopes;
}

Scope Config::alike(const Scope& other, const Scope& scope) const {
  const auto it = made_.find(scope);
  if (it == made_.end()) return other;
  const auto& variant = it->second;
  for (const auto& name :
       {variant_name(other, variant.prior, variant.seed), variant_name(other, "", variant.seed)})
    if (made_.contains(name)) return name;
  return other;
}

std::string Config::variants_comment() const {
  Settings made;
  for (const auto& [key, setting] : resolved_.all())
    if (settings_.find(key) == nullptr) made.set(key, setting.value, setting.origin);
  if (made.all().empty()) return {};
  std::string text = "\n# What run.priors and run.seeds make of the methods, for information:\n";
  std::istringstream lines(made.ini());
  for (std::string line; std::getline(lines, line);)
    text += (line.empty() ? "#" : "# ") + line + "\n";
  return text;
}

}  // namespace m2mkd
