#include <algorithm>
#include <numeric>

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/random.hpp>
#include <m2mkd/base/stop.hpp>
#include <m2mkd/base/stopwatch.hpp>
#include <m2mkd/train/parameter_type.hpp>
#include <m2mkd/train/step_timer.hpp>

#include "autocast.hpp"
#include "evaluate_batches.hpp"
#include "pack_step.hpp"

namespace m2mkd {

namespace {

constexpr std::int64_t steps_per_epoch = 1000;  // only the learning rate asks for it

// Samples [first, last) of a made-up set. On the host, where a loader's batches are, too.
Batch random_batch(std::int64_t first, std::int64_t last, const ImageShape& shape,
                   Precision precision) {
  auto generator = at::detail::createCPUGenerator(
      Random(0, Purpose::bench, static_cast<std::uint64_t>(first)).bits());
  Batch batch;
  batch.images = at::randn({last - first, shape.channels, shape.size, shape.size}, generator,
                           at::dtype(parameter_type(precision)));
  batch.labels = at::randint(0, shape.classes, {last - first}, generator, at::dtype(at::kLong));
  batch.first = first;
  return batch;
}

// This rank's batches of one step, cut as the loader cuts them; a micro-batch is the same on any
// rank and in any forward.
std::vector<Batch> random_step(const TrainOptions& options, const ImageShape& shape,
                               const Communicator& group) {
  const std::int64_t micro = options.micro_batch;
  const Range mine = share((options.batch + micro - 1) / micro, group.rank(), group.size());
  const std::int64_t together =
      options.forward_micro_batches > 0 ? options.forward_micro_batches : mine.last - mine.first;
  std::vector<Batch> batches;
  for (std::int64_t begin = mine.first; begin < mine.last; begin += together) {
    std::vector<at::Tensor> images, labels;
    for (std::int64_t m = begin; m < std::min(begin + together, mine.last); ++m) {
      const Batch part = random_batch(m * micro, std::min((m + 1) * micro, options.batch), shape,
                                      options.precision);
      images.push_back(part.images);
      labels.push_back(part.labels);
    }
    batches.push_back({at::cat(images), at::cat(labels), {}, begin * micro});
  }
  return batches;
}

}  // namespace

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

double StepTimes::images_per_second() const {
  const double step = step_seconds();
  return step > 0 ? static_cast<double>(images) / step : 0;
}

StepTimes time_steps(const std::function<void()>& step, std::int64_t images,
                     const Communicator& group, const TimerOptions& options) {
  StepTimes times{images, {}, false};
  double spent = 0;
  for (std::int64_t i = 0;; ++i) {
    const Stopwatch watch;
    step();
    std::vector<double> agreed{watch.seconds(), stop::requested() ? 1.0 : 0.0};
    group.max(agreed);
    times.stopped = agreed[1] > 0;
    if (times.stopped) return times;
    if (i < options.warm_up) continue;
    times.seconds.push_back(agreed[0]);
    spent += agreed[0];
    if (spent >= options.seconds) return times;
  }
}

StepTimes time_training(std::vector<Task> pack, const ImageShape& shape,
                        const TrainContext& context, const TimerOptions& options) {
  require(!pack.empty(), "time_training: a pack has at least one job");
  const TrainOptions common = pack.front().options;
  std::vector<std::unique_ptr<JobRun>> runs;
  for (auto& task : pack) {
    task.options.log_steps = false;  // nobody reads the columns
    runs.push_back(
        std::make_unique<JobRun>(std::move(task), context, steps_per_epoch, common.batch));
  }
  std::vector<JobRun*> together;
  for (const auto& run : runs) together.push_back(run.get());
  const std::vector<Batch> batches = random_step(common, shape, context.group);
  const auto step = [&] {
    const Stopwatch watch;
    std::size_t next = 0;
    auto sums = pack_gradients(
        together, static_cast<std::int64_t>(batches.size()), [&] { return batches[next++]; },
        context.device);
    context.group.sum(sums);
    pack_update(together, sums, watch.seconds());
  };
  return time_steps(step, common.batch, context.group, options);
}

StepTimes time_evaluation(const Chain& chain, const ImageShape& shape, Precision precision,
                          std::int64_t images, std::int64_t batch, const TrainContext& context,
                          const TimerOptions& options) {
  require(images >= 1 && batch >= 1, "time_evaluation: at least one image");
  const Range mine = share(images, context.group.rank(), context.group.size());
  std::vector<Batch> batches;
  for (std::int64_t first = mine.first; first < mine.last; first += batch)
    batches.push_back(random_batch(first, std::min(first + batch, mine.last), shape, precision));
  const auto step = [&] {
    std::size_t i = 0;
    const auto next = [&](Batch& out) { return i < batches.size() && (out = batches[i++], true); };
    evaluate_batches(std::span(&chain, 1), {precision, context.group, context.device}, next);
  };
  return time_steps(step, images, context.group, options);
}

StepTimes time_loading(TrainLoader& loader, const Communicator& group,
                       const TimerOptions& options) {
  loader.start(0);
  const auto load = [&](std::int64_t steps) {
    for (std::int64_t i = 0; i < steps * loader.batches_per_step(); ++i) loader.next();
  };
  // Batches that are made faster than a waiting thread wakes up come in bursts: so many steps are
  // timed together that it is evened out.
  const StepTimes first =
      time_steps([&] { load(1); }, loader.samples_per_step(), group, {0.01, options.warm_up});
  if (first.stopped) return first;
  const double mean = std::accumulate(first.seconds.begin(), first.seconds.end(), 0.0) /
                      static_cast<double>(first.seconds.size());
  const auto together =
      static_cast<std::int64_t>(std::clamp(0.02 / std::max(mean, 1e-9), 1.0, 1e4));
  StepTimes times =
      time_steps([&] { load(together); }, loader.samples_per_step(), group, {options.seconds, 0});
  for (double& s : times.seconds) s /= static_cast<double>(together);
  return times;
}

}  // namespace m2mkd
