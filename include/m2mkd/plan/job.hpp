#pragma once
// One training of one phase, as plain data.

#include <numeric>
#include <string>
#include <vector>

#include <m2mkd/data/evaluation.hpp>
#include <m2mkd/nn/chain.hpp>
#include <m2mkd/plan/config.hpp>
#include <m2mkd/plan/start.hpp>

namespace m2mkd {

enum class Role { meta, teacher, student };
template <>
struct EnumNames<Role> {
  static constexpr std::array<std::pair<Role, std::string_view>, 3> names{
      {{Role::meta, "meta"}, {Role::teacher, "teacher"}, {Role::student, "student"}}};
};

/// A chain that the trained one is compared with.
struct TeacherSource {
  std::string name;          ///< "teacher" or that of a further one
  ModelOptions model, meta;  ///< meta: of the hybrid in which its stage runs (unused where `whole`)
  bool whole = false;        ///< conventional distillation: all stages of the teacher
  Source weights;  ///< whole module file (finetune or given), or the stage's own (incubate)
  Source meta_weights;
};

/// Size and forward work of one chain.
struct ChainCost {
  std::vector<std::int64_t> stages;  ///< parameters of each
  std::int64_t shared = 0;           ///< of tensors that several stages use
  Flops forward;                     ///< per image
  std::int64_t parameters() const { return std::reduce(stages.begin(), stages.end(), shared); }
};

/// Work and size, from the networks on the meta device.
struct JobCost {
  ChainCost chain;                  ///< the trained chain, frozen stages included
  std::vector<ChainCost> teachers;  ///< the chains it is compared with, as in Job::teachers
  Flops train;   ///< per image: forward and backward of everything that the step computes, alone
  Flops prefix;  ///< part of it that is the frozen prefix, computed once per pack
  double eval_flops = 0;   ///< per image, as executed
  double images = 0;       ///< training images over all epochs
  double eval_images = 0;  ///< images over all evaluations
  std::int64_t steps = 0;
  std::int64_t network = 0;    ///< parameters of the network that the job trains and publishes
  std::int64_t trainable = 0;  ///< those of them that train
  std::int64_t frozen = 0;  ///< parameters held in memory besides the trained ones (meta, teacher)
  std::int64_t meta = 0;  ///< parameters of the whole meta chain (stage ≥ 0): held once by a pack
  double activations = 0;  ///< elements per image kept for backward
  double element_bytes = 4;
};

struct Job {
  std::string name;  ///< "distill.m2mkd_nokd.2": file names, logs, --run.jobs
  Phase phase{};
  Role role{};     ///< which network is trained
  int stage = -1;  ///< -1: whole
  Scope scope;     ///< the method (or further teacher) whose settings it has
  int wave = 0;    ///< earliest wave: 1 + the latest of its parents

  ModelOptions model;   ///< of the trained network
  ModelOptions meta;    ///< of the hybrid (stage ≥ 0), and the outer width of kept stitches
  Source meta_weights;  ///< stage ≥ 0
  JobStart start;
  std::vector<TeacherSource> teachers;

  TrainOptions train;
  DataOptions data;
  DataFacts facts;
  std::vector<Evaluation> evaluations;  ///< what its network is scored on, `test` first
  HybridOptions hybrid;
  std::uint64_t seed = 0;
  bool teacher_preparation = false;  ///< not counted by the paper's time ratio

  JobCost cost;

  bool spliced() const { return stage >= 0; }
  bool upcycled() const { return std::holds_alternative<UpcycledStart>(start); }
  /// What it is assembled from; null where it is not.
  const PartsStart* parts() const { return std::get_if<PartsStart>(&start); }
  bool assembled() const { return parts() || upcycled(); }  ///< worth an evaluation at once
  /// What its stage is spliced into.
  Surrounding around() const;
  ImageShape image_shape() const { return {facts.channels, facts.image_size, facts.classes}; }
  std::int64_t micro_batches() const;  ///< of one global batch
  std::int64_t steps() const;          ///< after which it is finished
  /// All that it starts from or is compared with: meta, parts, start, teachers.
  std::vector<Source> sources() const;
  /// Names of the jobs whose files it reads, without repetition.
  std::vector<std::string> parents() const;
  /// Everything that changes its weights, as sorted `key = value` lines, without the parents'
  /// digests.
  std::string identity() const;
};

/// The network that the job trains, without values: all stages, or the one that is spliced, in the
/// form in which it is distilled.
Chain bare_chain(const Job& job, const at::TensorOptions& options);

/// Does a name of run.jobs or evaluation.NAME.jobs mean the job? "distill.2", or a phase or method
/// with all its jobs: "distill", "incubate.incubation".
bool is_meant(const std::string& name, const Job& job);

}  // namespace m2mkd
