#include <algorithm>
#include <cmath>
#include <numbers>

#include <m2mkd/train/schedule.hpp>

namespace m2mkd {

std::int64_t steps_to_make(const TrainOptions& options, std::int64_t steps_per_epoch) {
  const std::int64_t all = total_steps(options.schedule, steps_per_epoch);
  return options.max_steps > 0 ? std::min(all, options.max_steps) : all;
}

std::int64_t total_steps(const ScheduleOptions& options, std::int64_t steps_per_epoch) {
  return std::max<std::int64_t>(
      1, std::llround(options.epochs * static_cast<double>(steps_per_epoch)));
}

ScheduleOptions schedule(const TrainOptions& options) {
  ScheduleOptions result = options.schedule;
  if (result.lr_batch > 0)
    result.lr *= static_cast<double>(options.batch) / static_cast<double>(result.lr_batch);
  return result;
}

double learning_rate(const ScheduleOptions& options, std::int64_t step,
                     std::int64_t steps_per_epoch) {
  const double per_epoch = static_cast<double>(steps_per_epoch);
  const double all =
      static_cast<double>(total_steps(options, steps_per_epoch)) / per_epoch;  // epochs
  double t = static_cast<double>(step) / per_epoch;
  if (options.lr_unit == LrUnit::epoch) t = std::floor(t);
  if (options.lr_late) t = std::max(t - 1.0, 0.0);
  const double warmup = options.warmup_epochs + options.warmup_share * all;
  if (t < warmup) return options.warmup_lr + (options.lr - options.warmup_lr) * t / warmup;
  const double shift = options.cosine == Cosine::shifted ? warmup : 0.0;
  const double share = all > shift ? std::min((t - shift) / (all - shift), 1.0) : 1.0;
  return options.min_lr +
         0.5 * (options.lr - options.min_lr) * (1.0 + std::cos(std::numbers::pi * share));
}

}  // namespace m2mkd
