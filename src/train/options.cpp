#include <m2mkd/train/options.hpp>

namespace m2mkd {

namespace {

Keys<ScheduleOptions> schedule_keys() {
  using O = ScheduleOptions;
  const auto rate = within(0.0, 1e3);
  Keys<O> k;
  k.add("epochs", &O::epochs, "passes over the training images; fractions allowed",
        within(1e-9, 1e6));
  k.add("lr", &O::lr, "peak learning rate, absolute", rate);
  k.add("lr_batch", &O::lr_batch,
        "lr is for this batch and scales with batch / lr_batch (published: 512); 0: lr as it is",
        within<std::int64_t>(0, 1 << 24));
  k.add("min_lr", &O::min_lr, "learning rate at the end", rate);
  k.add("warmup_lr", &O::warmup_lr, "learning rate at the first step of the warm-up", rate);
  k.add("warmup_epochs", &O::warmup_epochs, "length of the linear warm-up in epochs",
        within(0.0, 1e6));
  k.add("warmup_share", &O::warmup_share, "further warm-up as a share of all steps",
        within(0.0, 1.0));
  k.add("lr_unit", &O::lr_unit, "change the rate every step, or every epoch (published Python)");
  k.add("cosine", &O::cosine, "shifted: starts after the warm-up; published: runs over all epochs");
  k.add("lr_late", &O::lr_late, "published Python: epoch e uses the rate of epoch max(e - 1, 0)");
  return k;
}

Keys<ObjectiveOptions> objective_keys() {
  using O = ObjectiveOptions;
  Keys<O> k;
  k.add("alpha", &O::alpha,
        "weight of the distillation term (paper Eq. 3); 0 leaves the teacher out",
        within(0.0, 1e6));
  k.add("tau", &O::tau, "softmax temperature of the distillation term", within(1e-3, 1e4));
  k.add("kd_per", &O::kd_per,
        "KL averaged per sample (Eq. 3) or per element, samples x classes (published Python)");
  k.add("ce_weight", &O::ce_weight,
        "weight of the labels: one (Eq. 3) or complement, 1 - alpha (published Python)");
  k.add("kd_type", &O::kd_type,
        "soft: KL to the teacher's outputs; hard: cross-entropy to its most likely class");
  k.add("feature_weight", &O::feature_weight,
        "distill: weight of the mean squared difference of the stages' outputs, through the "
        "stitches; 0: none",
        within(0.0, 1e6));
  return k;
}

}  // namespace

Keys<TrainOptions> TrainOptions::keys() {
  using O = TrainOptions;
  // -1: the model's own.
  const Check<double> phase_rate{
      [](const double& v) {
        return v == -1 || (v >= 0 && v < 1) ? std::string() : "must be -1 or from 0 to below 1";
      },
      "-1, or 0 to below 1"};
  Keys<O> k;
  k.include(&O::schedule, schedule_keys());
  k.include(&O::objective, objective_keys());
  k.add("batch", &O::batch, "images per optimizer step, over all ranks of a group",
        within<std::int64_t>(1, 1 << 24));
  k.add("micro_batch", &O::micro_batch,
        "images per micro-batch: unit of mixup, randomness and of a rank's share",
        within<std::int64_t>(1, 1 << 24));
  k.add("weight_decay", &O::weight_decay, "AdamW weight decay", within(0.0, 1e3));
  k.add("beta1", &O::beta1, "AdamW beta 1", below(0.0, 1.0));
  k.add("beta2", &O::beta2, "AdamW beta 2", below(0.0, 1.0));
  k.add("adam_eps", &O::adam_eps, "AdamW epsilon", within(1e-30, 1.0));
  k.add("clip_grad", &O::clip_grad, "largest gradient norm; 0: no clipping", within(0.0, 1e9));
  k.add("clip_mixed_only", &O::clip_mixed_only,
        "clip under mixed precision alone (published Python)");
  k.add("published_meter", &O::published_meter,
        "also give the published NAC trainer's accuracy, which is too low (acc1_published)");
  k.add("decay_all", &O::decay_all, "weight decay of every parameter (published, NAC end to end)");
  k.add("decay_embeddings", &O::decay_embeddings,
        "weight decay of all but 1-D tensors and biases: pos_embed, cls_token, a NAC's grid and "
        "gains "
        "too (published Python, in incubation and in NAC's distillation)");
  k.add("frozen_drop_path", &O::frozen_drop_path,
        "drop-path in frozen meta stages too (published Python, in incubation); nothing is shared "
        "in a pack then");
  k.add("drop_path", &O::drop_path,
        "stochastic depth of the trained network's last block in this phase; -1: its model's",
        phase_rate);
  k.add("drop_path_ramp", &O::drop_path_ramp,
        "rates of a stage in a hybrid: its slice of its network's; over the hybrid's depth "
        "(published incubation); over the module's (published distillation)");
  k.add<std::vector<std::string>>(
      "trainable", &O::trainable,
      "parameters that train: all, or shell patterns over their names, \"!pattern\" takes names "
      "out "
      "(head.* or *.moe.* or all !pos_embed); what does not fit stays as it is",
      [](const auto& patterns) {
        return patterns.empty() ? std::string("names no parameter") : std::string();
      });
  k.add("precision", &O::precision, "fp32; fp64 for exact checks; bf16 mixed precision on GPUs");
  k.add("non_finite", &O::non_finite,
        "on a loss or gradient that is not finite: stop, skip the step, or restore the last "
        "checkpoint and skip it then");
  k.add("non_finite_row", &O::non_finite_row,
        "most steps in a row that may be skipped so; more are an error",
        within<std::int64_t>(1, 1'000'000));
  k.add("non_finite_share", &O::non_finite_share,
        "most of a job's steps that may be skipped so, one at least", within(0.0, 1.0));
  k.add("max_steps", &O::max_steps,
        "stop after so many steps, the schedule unchanged; 0: at its end",
        within<std::int64_t>(0, 1'000'000'000'000));
  k.add("forward_micro_batches", &O::forward_micro_batches,
        "micro-batches in one forward (memory); 0: all of a rank's",
        within<std::int64_t>(0, 1 << 24));
  k.add("eval_batch", &O::eval_batch, "images per evaluation forward",
        within<std::int64_t>(1, 1 << 24));
  k.add("eval_drop_last", &O::eval_drop_last,
        "published Python: score only the whole batches of eval_batch images (all where there is "
        "none)");
  k.add("eval_epochs", &O::eval_epochs, "evaluate every so many epochs; 0: at the end only",
        within(0.0, 1e6));
  k.add("checkpoint_seconds", &O::checkpoint_seconds,
        "time between checkpoints; one at an epoch's end too, unless the last is younger than 5 s",
        within(0.0, 1e9));
  k.add("keep_checkpoints", &O::keep_checkpoints,
        "keep a finished job's last checkpoint; run.extend needs it");
  k.add("log_steps", &O::log_steps, "write per-step columns to metrics/<job>.h5");
  k.add("log_seconds", &O::log_seconds, "time between progress lines", within(0.0, 1e9));
  k.add("bucket_mb", &O::bucket_mb, "size of a gradient bucket", within<std::int64_t>(1, 65536));
  return k;
}

const std::vector<std::string>& TrainOptions::neutral_keys() {
  static const std::vector<std::string> keys{"max_steps",          "forward_micro_batches",
                                             "eval_batch",         "eval_drop_last",
                                             "eval_epochs",        "non_finite",
                                             "checkpoint_seconds", "log_steps",
                                             "log_seconds",        "bucket_mb",
                                             "keep_checkpoints",   "published_meter",
                                             "non_finite_row",     "non_finite_share"};
  return keys;
}

}  // namespace m2mkd
