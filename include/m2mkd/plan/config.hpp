#pragma once
// The whole configuration: every room's settings gathered, with per-phase and per-method overrides.
//
// A setting of phase P under method M is looked up in [method.M] as P.key, in [P.M], the same for
// M's base and its base, in [P], and so on through [train]. [meta.M], [teacher.M], [student.M]
// override models and [data.P] the data the same way. The name of a further teacher is a scope
// like a method's. Methods are data: `[method.NAME] base = m2mkd` and the keys it changes.
//
// run.priors and run.seeds make variants of the methods in run.methods, as data too:
// `[method.m2mkd_seed2] base = m2mkd, seed.final = 2`. They follow from the two keys whenever a
// configuration is read, so that its text shows them in comments only.
//
// A method's leaves are data as well: `leaf = finetune` in [method.NAME] compares the teacher.

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <m2mkd/config/schema.hpp>
#include <m2mkd/data/options.hpp>
#include <m2mkd/nn/graph_prior.hpp>
#include <m2mkd/nn/models.hpp>
#include <m2mkd/train/options.hpp>

namespace m2mkd {

enum class Phase { pretrain, incubate, finetune, distill, final };
template <>
struct EnumNames<Phase> {
  static constexpr std::array<std::pair<Phase, std::string_view>, 5> names{
      {{Phase::pretrain, "pretrain"},
       {Phase::incubate, "incubate"},
       {Phase::finetune, "finetune"},
       {Phase::distill, "distill"},
       {Phase::final, "final"}}};
};

enum class Start { fresh, incubate, distill, upcycle };
template <>
struct EnumNames<Start> {
  static constexpr std::array<std::pair<Start, std::string_view>, 4> names{
      {{Start::fresh, "fresh"},
       {Start::incubate, "incubate"},
       {Start::distill, "distill"},
       {Start::upcycle, "upcycle"}}};
};

enum class TeacherStages { finetune, incubate };
template <>
struct EnumNames<TeacherStages> {
  static constexpr std::array<std::pair<TeacherStages, std::string_view>, 2> names{
      {{TeacherStages::finetune, "finetune"}, {TeacherStages::incubate, "incubate"}}};
};

enum class WholeTeacher { none, finetune };
template <>
struct EnumNames<WholeTeacher> {
  static constexpr std::array<std::pair<WholeTeacher, std::string_view>, 2> names{
      {{WholeTeacher::none, "none"}, {WholeTeacher::finetune, "finetune"}}};
};

enum class TokenMismatch { refuse, allow, resample };
template <>
struct EnumNames<TokenMismatch> {
  static constexpr std::array<std::pair<TokenMismatch, std::string_view>, 3> names{
      {{TokenMismatch::refuse, "refuse"},
       {TokenMismatch::allow, "allow"},
       {TokenMismatch::resample, "resample"}}};
};

enum class Compat { none, published };
template <>
struct EnumNames<Compat> {
  static constexpr std::array<std::pair<Compat, std::string_view>, 2> names{
      {{Compat::none, "none"}, {Compat::published, "published"}}};
};

enum class SeedsOf { final, all };
template <>
struct EnumNames<SeedsOf> {
  static constexpr std::array<std::pair<SeedsOf, std::string_view>, 2> names{
      {{SeedsOf::final, "final"}, {SeedsOf::all, "all"}}};
};

/// Settings that stand before all sections.
struct GlobalOptions {
  Compat compat = Compat::none;  ///< published: defaults of all switches as the published Python
                                 ///< has them; settings that are written win
};

struct CompatOptions {
  std::int64_t ranks =
      8;  ///< virtual ranks of data.order = published and data.mix_per = rank_batch
};

struct RunOptions {
  std::filesystem::path dir;  ///< default: results/<config name>
  std::int64_t seed = 0;
  std::vector<std::string> methods{"e2e", "kd", "incubation", "m2mkd"};
  std::vector<Prior> priors;          ///< every method with each of them; empty: the student's own
  std::vector<std::int64_t> seeds;    ///< every method with each of them; empty: run.seed, [seed]
  SeedsOf seeds_of = SeedsOf::final;  ///< final: repeats share all that comes before that phase
  std::vector<std::string>
      jobs;                  ///< only these jobs (and what they need must be finished); empty: all
  std::int64_t threads = 0;  ///< ATen threads per rank; 0: cores of the host divided by its ranks
  bool redo = false;         ///< train jobs anew whose settings changed
  bool extend = false;       ///< go on with finished jobs whose schedule became longer
  std::string note;          ///< a sentence printed under the comparison table
  double watchdog_seconds = 1800;  ///< abort when nothing moves for so long; 0: never
};

/// Seeds of the phases; -1: run.seed. Per method as [seed.METHOD] or `seed.final` in
/// [method.METHOD].
struct SeedOptions {
  std::int64_t pretrain = -1, teacher = -1, distill = -1, final = -1;
};

/// Weights that are given rather than trained: files of any kind (nn/weights.hpp). Empty: none.
struct InitOptions {
  std::filesystem::path meta, teacher, student;
};

/// What the prediction of time and memory reckons with, per rank. `m2mkd bench --print-machine`
/// measures it.
struct MachineOptions {
  double gflops = 40;      ///< GEMM rate reached in training, GFLOP/s
  double reduce_gb_s = 2;  ///< all-reduce bandwidth, GB/s
  double memory_gb = 16;   ///< per rank
  double disk_gb_s = 0.5;
};

struct IncubateOptions {
  bool from_teacher = false;  ///< start the teacher's stages from the given teacher (init.teacher)
                              ///< and incubate them shortly
};

struct FinetuneOptions {
  bool fresh = false;    ///< train the teacher whole and only then split it
  std::string flops_of;  ///< choose the epochs so that the teacher costs as much as this method's,
                         ///< its incubation included
};

struct DistillOptions {
  std::vector<std::string> teachers{
      "teacher"};  ///< "teacher" is section [teacher]; others are [teacher.NAME]
  TeacherStages teacher =
      TeacherStages::finetune;  ///< stages taken after fine-tuning, or as incubated
};

struct FinalOptions {
  Start start = Start::distill;
  WholeTeacher teacher =
      WholeTeacher::none;  ///< finetune: conventional distillation from the whole teacher
  std::string
      flops_of;  ///< choose the epochs so that all FLOPs equal those of this method (e2e_long)
};

struct HybridOptions {
  TokenMismatch token_mismatch = TokenMismatch::refuse;
};

/// A method or a further teacher, or neither (empty): where overrides are looked up.
using Scope = std::string;

/// What run.priors and run.seeds make of a scope: one row of the comparison, where it is one of a
/// method in run.methods.
struct Variant {
  Scope name;              ///< "m2mkd_erdos_renyi_seed2"
  Scope base;              ///< "m2mkd"
  std::string prior;       ///< empty: the student's own
  std::int64_t seed = -1;  ///< -1: those of run.seed and [seed]
};

class Config {
 public:
  /// `base` (a stored resolved text, may be empty), files first to last, then settings from the
  /// command line; later ones win. Throws ConfigError with all problems at once.
  static Config read(const std::vector<std::filesystem::path>& files,
                     const std::vector<std::pair<std::string, std::string>>& settings,
                     const std::string& base = "");
  /// From a resolved text, as it is stored in every output file. `source` names it in messages.
  static Config from_text(const std::string& ini, const std::string& source);

  RunOptions run;
  MachineOptions machine;

  TrainOptions train(Phase phase, const Scope& scope) const;
  DataOptions data(Phase phase) const;
  ModelOptions model(const std::string& section,
                     const Scope& scope) const;  ///< "meta", "teacher", "student"
  InitOptions init(const Scope& scope) const;
  IncubateOptions incubate(const Scope& scope) const;
  FinetuneOptions finetune(const Scope& scope) const;
  DistillOptions distill(const Scope& scope) const;
  FinalOptions final(const Scope& scope) const;
  HybridOptions hybrid(const Scope& scope) const;
  /// [evaluation.NAME], by name.
  std::map<std::string, EvaluationOptions> evaluations() const;
  /// Phases whose networks a method is judged by, the one that is compared first.
  std::vector<Phase> leaves(const Scope& method) const;
  /// Seed of a phase; incubating a student counts as distilling, pretraining one as final.
  std::uint64_t seed(Phase phase, bool student, const Scope& scope) const;

  /// Every known method, shipped and declared, without variants.
  std::vector<std::string> methods() const;
  /// What is run and compared: run.methods, each with every prior and every seed.
  const std::vector<Variant>& variants() const { return variants_; }
  /// Scopes that may have a job in common with `scope` and then name it, plainest first:
  /// "" and seed2 (where asked for those of no method), and of a variant its base, the base with
  /// the prior alone, with the seed alone.
  std::vector<Scope> plainer(const Scope& scope, bool of_no_method) const;
  /// `other` (a method or a further teacher) with the prior and the seed of `scope`, or the seed,
  /// where there is such a variant, else itself.
  Scope alike(const Scope& other, const Scope& scope) const;
  /// Resolved INI text; reads back to the same configuration. Variants stand in comments.
  std::string text() const;
  static std::string defaults_text();

 private:
  std::vector<Scope> chain(const Scope& scope) const;
  /// "base = a -> b -> a is a circle…", or empty.
  std::string base_circle(const Scope& method) const;
  Lookup lookup(const std::string& section, const Scope& scope,
                const std::vector<std::string>& inherits) const;
  template <class O>
  O read_section(const Keys<O>& keys, const std::string& section, const Scope& scope,
                 const std::vector<std::string>& inherits = {}) const;
  void drop_retired();
  void add_published(std::vector<std::string>& problems);
  void validate(std::vector<std::string>& problems);
  Variant add_variant(const Scope& base, const std::string& prior, std::int64_t seed);
  void add_variants(const std::vector<std::string>& methods);
  void add_repeated_scopes(const std::vector<Scope>& scopes);
  void check_variants(const std::vector<std::string>& known,
                      std::vector<std::string>& problems) const;
  std::string variants_comment() const;

  Settings settings_;  ///< as written
  Settings resolved_;  ///< and what variants change
  std::vector<Variant> variants_;
  std::map<Scope, Variant> made_;  ///< all variants, those that only lend settings and jobs too
};

}  // namespace m2mkd
