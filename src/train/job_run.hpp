#pragma once
// One job of a pack at work: its gradients, optimizer, progress and files. The trainer drives it.

#include <algorithm>
#include <optional>

#include <m2mkd/base/stopwatch.hpp>
#include <m2mkd/comm/gradients.hpp>
#include <m2mkd/data/loader.hpp>
#include <m2mkd/store/checkpoint.hpp>
#include <m2mkd/train/evaluator.hpp>
#include <m2mkd/train/optimizer.hpp>
#include <m2mkd/train/prefix.hpp>
#include <m2mkd/train/trainer.hpp>

#include "progress.hpp"
#include "scores.hpp"
#include "task_parts.hpp"

namespace m2mkd {

class JobRun {
 public:
  /// Sums over one step that are reduced over the group: loss, CE, KL, and how many ranks see a
  /// gradient that is not finite.
  static constexpr std::size_t sum_count = 4;
  /// What a step came to: an update (or one left out), or a loss or gradient that is not finite for
  /// which the job goes back to a checkpoint, or ends the run.
  enum class Update { done, restore, stop };

  JobRun(Task task, const TrainContext& context, std::int64_t steps_per_epoch,
         std::int64_t samples_per_step);

  const Task& task() const { return task_; }
  std::int64_t step() const { return static_cast<std::int64_t>(progress_.step); }
  bool at_end() const { return step() >= end_step_; }
  bool at_epoch_end() const { return at_end() || step() % steps_per_epoch_ == 0; }

  // One step.
  void begin_step();
  /// Adds this batch's part of the gradient. `last`: the rank's last batch of the step.
  void forward_backward(const Batch& batch, const at::Tensor& images, PrefixCache& prefix,
                        bool last);
  /// Waits for the summed gradients; this rank's sums for the reduction over the group.
  std::array<double, sum_count> end_step_sums();
  /// `sums`: over the group. Clips, updates, counts. `seconds`: of the pack's step, and this job's
  /// share of it.
  Update update(std::span<const double> sums, double seconds, double share);
  /// Why update() said stop: what is not finite, since when, what is left, what to try. Collective.
  std::string complaint() const;

  // At epoch ends.
  void close_epoch();
  /// What is to be scored now, during training.
  std::vector<Scoring> due_scorings() const;
  void record_evaluations(std::span<const Scoring> scorings, std::span<const Accuracy> accuracies,
                          double seconds);
  bool start_due() const { return progress_.start_done == 0 && !start_scorings(task_).empty(); }
  /// Accuracies of start_scorings(task()).
  void record_start(std::span<const Accuracy> accuracies, double seconds);

  // Files; all ranks call, the group's root writes.
  /// Writes the state of this step, once. Network and optimizer are finite (not_finite()).
  void checkpoint();
  bool checkpoint_due() const {
    return root() && since_checkpoint_.seconds() > task_.options.checkpoint_seconds;
  }
  /// A checkpoint at an epoch's end: not where the last one is younger than this.
  bool epoch_checkpoint_due() const {
    return since_checkpoint_.seconds() > std::min(5.0, task_.options.checkpoint_seconds);
  }
  /// What of network and optimizer is not finite; empty where all is, and on all ranks but the
  /// root.
  std::string not_finite() const;
  /// From the newest checkpoint of this job that can be used; those that cannot are set aside, and
  /// the log says why and which steps are lost. False where there is none. Throws CollectiveError
  /// where it is of other settings.
  bool restore();
  /// Back to the newest checkpoint; the step that was not finite is left out from now on.
  void go_back();
  /// `accuracies` of end_scorings().
  void finish(std::span<const Scoring> scorings, std::span<const Accuracy> accuracies,
              double seconds);
  void write_metrics() const;
  void write_status(const std::string& state) const;
  /// A line for the log is due: its time is taken anew.
  bool log_due();
  /// One line for the log: epoch, step, loss, lr, images/s, eta.
  std::string progress_text() const;

 private:
  bool root() const { return context_.group.rank() == 0; }
  double lr(std::int64_t step) const;
  at::Tensor forward(at::Tensor x, ForwardContext training, int first, int last) const;
  double epoch() const { return progress_.step / static_cast<double>(steps_per_epoch_); }
  std::string non_finite_stage() const;
  std::optional<TensorFile> newest_checkpoint() const;
  void receive(const TensorFile* file);
  void forget_other_sets();
  bool leaves_out(std::int64_t step) const { return std::ranges::count(skip_steps_, step) > 0; }
  std::string too_many() const;

  Task task_;
  TrainContext context_;
  std::int64_t steps_per_epoch_, samples_per_step_, end_step_;
  std::vector<int> active_;  ///< stages of which a parameter trains
  int frozen_stages_;        ///< leading stages that do not train
  int shared_stages_;  ///< those of them that other jobs may compute: none with frozen_drop_path
  std::vector<Parameter> parameters_;
  Gradients gradients_;
  AdamW optimizer_;
  CheckpointFolder checkpoints_;
  Progress progress_;
  Records records_;
  std::vector<std::int64_t> skip_steps_;  ///< steps whose update is left out (after a restore)
  std::int64_t saved_step_ = -1;          ///< of the newest checkpoint
  Stopwatch since_checkpoint_, since_log_;
  at::Tensor sums_;        ///< (3) double on the device
  at::Tensor bad_images_;  ///< this rank's first forward of the step, to find the stage of a loss
                           ///< that is not finite
  double last_loss_ = 0, last_norm_ = 0, recent_rate_ = 0;
  std::string too_many_;  ///< steps that were not finite, where they are more than allowed
};

}  // namespace m2mkd
