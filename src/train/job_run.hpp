#pragma once
// One job of a pack at work: its gradients, optimizer, progress and files. The trainer drives it.

#include <m2mkd/comm/gradients.hpp>
#include <m2mkd/data/loader.hpp>
#include <m2mkd/store/checkpoint.hpp>
#include <m2mkd/train/evaluator.hpp>
#include <m2mkd/train/optimizer.hpp>
#include <m2mkd/train/prefix.hpp>
#include <m2mkd/train/trainer.hpp>

#include "progress.hpp"

namespace m2mkd {

/// The trained stages of a task as a chain whose other stages are null: what is saved and
/// published.
Chain trained_part(const Task& task);

class JobRun {
 public:
  /// Sums over one step that are reduced over the group: loss, CE, KL.
  static constexpr std::size_t sum_count = 3;
  enum class Update { done, restore };

  JobRun(Task task, const TrainContext& context, std::int64_t steps_per_epoch,
         std::int64_t samples_per_step);

  const Task& task() const { return task_; }
  std::int64_t step() const { return static_cast<std::int64_t>(progress_.step); }
  std::int64_t end_step() const { return end_step_; }
  bool at_end() const { return step() >= end_step_; }
  bool at_epoch_end() const { return at_end() || step() % steps_per_epoch_ == 0; }

  // One step.
  void begin_step();
  /// Adds this batch's part of the gradient. `last`: the rank's last batch of the step.
  void forward_backward(const Batch& batch, const at::Tensor& images, PrefixCache& prefix,
                        bool last);
  /// Waits for the summed gradients; this rank's sums for the reduction over the group.
  std::array<double, sum_count> end_step_sums();
  /// `sums`: over the group. Clips, updates, counts. `seconds`: this job's share of the step.
  Update update(std::span<const double> sums, double seconds);

  // At epoch ends.
  void close_epoch();
  bool evaluation_due() const;
  void record_evaluation(const Accuracy& accuracy, double seconds);
  bool start_due() const {
    return progress_.start_done == 0 && (task_.evaluate_start || task_.evaluate_teachers);
  }
  /// Chains to be evaluated before training: the job's own and its teachers', as the task asks.
  std::vector<Chain> start_chains() const;
  void record_start(std::span<const Accuracy> accuracies, double seconds);

  // Files; all ranks call, the group's root writes.
  void checkpoint() const;
  std::optional<TensorFile> read_checkpoint(std::int64_t step) const;
  std::vector<std::int64_t> checkpoint_steps() const;
  /// `file` is given on the root only; the others receive from it.
  void restore(const TensorFile* file);
  void publish(const Accuracy& test, double seconds);
  void write_metrics() const;
  void write_status(const std::string& state) const;
  /// One line for the log: epoch, step, loss, lr, images/s, eta.
  std::string progress_text() const;

 private:
  bool root() const { return context_.group.rank() == 0; }
  double lr(std::int64_t step) const;
  at::Tensor forward(at::Tensor x, ForwardContext training, int first, int last) const;
  double epoch() const { return progress_.step / static_cast<double>(steps_per_epoch_); }
  [[noreturn]] void stop_on_non_finite(std::span<const double> sums);
  std::string non_finite_stage() const;

  Task task_;
  TrainContext context_;
  std::int64_t steps_per_epoch_, samples_per_step_, end_step_;
  int frozen_stages_;  ///< leading stages that do not train
  int shared_stages_;  ///< those of them that other jobs may compute: none with frozen_drop_path
  std::vector<Parameter> parameters_;
  Gradients gradients_;
  AdamW optimizer_;
  CheckpointFolder checkpoints_;
  Progress progress_;
  Records records_;
  at::Tensor sums_;        ///< (3) double on the device
  at::Tensor bad_images_;  ///< this rank's first forward of the step, to find the stage of a loss
                           ///< that is not finite
  double last_loss_ = 0, last_norm_ = 0, recent_rate_ = 0;
};

}  // namespace m2mkd
