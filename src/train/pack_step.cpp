#include "pack_step.hpp"

#include <ATen/ATen.h>

namespace m2mkd {

std::vector<double> pack_gradients(RunSpan runs, std::int64_t batches,
                                   const std::function<Batch()>& next, c10::Device device) {
  for (const auto& run : runs) run->begin_step();
  for (std::int64_t i = 0; i < batches; ++i) {
    Batch batch = next();
    batch.labels = batch.labels.to(device);
    if (batch.targets.defined()) batch.targets = batch.targets.to(device);
    const at::Tensor images = batch.images.to(device);
    PrefixCache prefix(images);
    for (const auto& run : runs) run->forward_backward(batch, images, prefix, i + 1 == batches);
  }
  std::vector<double> sums;
  for (const auto& run : runs)
    for (const double s : run->end_step_sums()) sums.push_back(s);
  return sums;
}

std::vector<JobRun::Update> pack_update(RunSpan runs, std::span<const double> sums,
                                        double seconds) {
  double flops = 0;
  for (const auto& run : runs) flops += run->task().flops_per_image;
  std::vector<JobRun::Update> updates;
  for (std::size_t i = 0; i < runs.size(); ++i)
    updates.push_back(runs[i]->update(sums.subspan(i * JobRun::sum_count, JobRun::sum_count),
                                      seconds, seconds * runs[i]->task().flops_per_image / flops));
  return updates;
}

}  // namespace m2mkd
