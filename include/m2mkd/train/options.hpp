#pragma once
// The settings of one training: section [train] for all phases, overridden by [<phase>] and
// [<phase>.<method>].

#include <array>
#include <cstdint>

#include <m2mkd/config/keys.hpp>

namespace m2mkd {

enum class Precision { fp32, fp64, bf16 };
template <>
struct EnumNames<Precision> {
  static constexpr std::array<std::pair<Precision, std::string_view>, 3> names{
      {{Precision::fp32, "fp32"}, {Precision::fp64, "fp64"}, {Precision::bf16, "bf16"}}};
};

enum class LrUnit { step, epoch };
template <>
struct EnumNames<LrUnit> {
  static constexpr std::array<std::pair<LrUnit, std::string_view>, 2> names{
      {{LrUnit::step, "step"}, {LrUnit::epoch, "epoch"}}};
};

enum class Cosine { shifted, published };
template <>
struct EnumNames<Cosine> {
  static constexpr std::array<std::pair<Cosine, std::string_view>, 2> names{
      {{Cosine::shifted, "shifted"}, {Cosine::published, "published"}}};
};

enum class NonFinite { stop, skip, restore };
template <>
struct EnumNames<NonFinite> {
  static constexpr std::array<std::pair<NonFinite, std::string_view>, 3> names{
      {{NonFinite::stop, "stop"}, {NonFinite::skip, "skip"}, {NonFinite::restore, "restore"}}};
};

enum class KdPer { sample, element };
template <>
struct EnumNames<KdPer> {
  static constexpr std::array<std::pair<KdPer, std::string_view>, 2> names{
      {{KdPer::sample, "sample"}, {KdPer::element, "element"}}};
};

enum class CeWeight { one, complement };
template <>
struct EnumNames<CeWeight> {
  static constexpr std::array<std::pair<CeWeight, std::string_view>, 2> names{
      {{CeWeight::one, "one"}, {CeWeight::complement, "complement"}}};
};

enum class KdType { soft, hard };
template <>
struct EnumNames<KdType> {
  static constexpr std::array<std::pair<KdType, std::string_view>, 2> names{
      {{KdType::soft, "soft"}, {KdType::hard, "hard"}}};
};

enum class RampOver { network, hybrid, module };
template <>
struct EnumNames<RampOver> {
  static constexpr std::array<std::pair<RampOver, std::string_view>, 3> names{
      {{RampOver::network, "network"}, {RampOver::hybrid, "hybrid"}, {RampOver::module, "module"}}};
};

/// loss = w·CE + α·τ²·KL(teacher ‖ student), paper Eq. 3 by default.
struct ObjectiveOptions {
  double alpha = 0.5;            ///< weight of the KL term; 0 leaves the teacher out
  double tau = 1.0;              ///< softmax temperature
  KdPer kd_per = KdPer::sample;  ///< KL averaged over samples (Eq. 3) or over samples × classes
                                 ///< (published Python)
  CeWeight ce_weight = CeWeight::one;  ///< w = 1 (Eq. 3) or 1 − α (published Python)
  KdType kd_type = KdType::soft;  ///< hard: α·CE against the teacher's most likely class, no τ
  double feature_weight =
      0;  ///< weight of the mean squared difference between the outputs of the
          ///< student's and the teacher's stage (not of the last: its is logits)
  bool compares() const { return alpha > 0 || feature_weight > 0; }  ///< needs a teacher
};

struct ScheduleOptions {
  double epochs = 10;
  double lr = 2e-3, min_lr = 1e-5, warmup_lr = 1e-6;
  std::int64_t lr_batch = 0;  ///< `lr` is for so many images a batch and grows with the batch (the
                              ///< published rule: 5e-4 for 512); 0: as it is
  double warmup_epochs = 0;   ///< plus:
  double warmup_share = 0;    ///< share of all steps, 0 to 1
  LrUnit lr_unit = LrUnit::step;
  Cosine cosine =
      Cosine::shifted;   ///< published: the cosine runs over all epochs, warm-up included
  bool lr_late = false;  ///< published: epoch e trains with the rate of epoch max(e − 1, 0)
};

struct TrainOptions {
  ScheduleOptions schedule;
  ObjectiveOptions objective;
  std::int64_t batch = 64, micro_batch = 16;
  double weight_decay = 0.05, beta1 = 0.9, beta2 = 0.999, adam_eps = 1e-8;
  double clip_grad = 0;           ///< largest gradient norm; 0: no clipping
  bool clip_mixed_only = false;   ///< published: clip under mixed precision alone
  bool decay_embeddings = false;  ///< published, in incubation: all but 1-D tensors and biases
                                  ///< decay: pos_embed, cls_token; a NAC's grid, codes, gains
  bool decay_all = false;         ///< published, NAC end to end: every parameter decays
  bool frozen_drop_path = false;  ///< published, in incubation: active in frozen meta stages too
  double drop_path = -1;  ///< stochastic depth of the trained network in this phase; -1: the
                          ///< model's own
  RampOver drop_path_ramp = RampOver::network;  ///< of a stage in a hybrid: its slice of its own
                                                ///< network's rates; published: over the hybrid's
                                                ///< depth (incubation), the module's (distillation)
  /// Parameters that train, by patterns over their names (trainable.hpp)
  std::vector<std::string> trainable{"all"};
  Precision precision = Precision::fp32;
  NonFinite non_finite = NonFinite::stop;
  std::int64_t non_finite_row = 10;  ///< most steps in a row that are skipped
  double non_finite_share = 0.2;     ///< most of all steps that are skipped; one always may be
  // The following do not change the trajectory and are not part of a job's identity.
  std::int64_t max_steps = 0;  ///< stop here even if the schedule goes on; 0: at its end
  std::int64_t forward_micro_batches =
      0;                          ///< micro-batches put into one forward; 0: the rank's whole share
  std::int64_t eval_batch = 256;  ///< images per evaluation forward
  bool published_meter = false;   ///< also give the accuracy of the published NAC trainer's meter
  bool eval_drop_last = false;    ///< score whole batches of eval_batch only (published Python)
  double eval_epochs = 0;         ///< evaluate every so many epochs; 0: at the end only
  double checkpoint_seconds = 300;
  bool keep_checkpoints = false;  ///< keep a finished job's last checkpoint (run.extend needs it)
  bool log_steps = false;         ///< per-step columns in metrics/<job>.h5
  double log_seconds = 10;        ///< progress lines
  std::int64_t bucket_mb = 32;    ///< gradient bucket

  static Keys<TrainOptions> keys();
  /// The names of the keys that are not part of a job's identity.
  static const std::vector<std::string>& neutral_keys();
};

}  // namespace m2mkd
