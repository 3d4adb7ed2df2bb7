#include <sstream>

#include <m2mkd/base/log.hpp>
#include <m2mkd/comm/on_root.hpp>
#include <m2mkd/run/heartbeat.hpp>
#include <m2mkd/run/prior_files.hpp>
#include <m2mkd/run/retest.hpp>
#include <m2mkd/train/evaluator.hpp>
#include <m2mkd/train/retest.hpp>

#include "job_state.hpp"

namespace m2mkd {

namespace {

std::string text_or_empty(const Attributes& attributes, const std::string& name) {
  return attributes.contains(name) ? text_attribute(attributes, name) : "";
}

std::int64_t integer_or_zero(const Attributes& attributes, const std::string& name) {
  return attributes.contains(name) ? integer_attribute(attributes, name) : 0;
}

// Names of the jobs to be tested again, one a line. Root alone.
std::string other_tests(const JobList& list, const RunFolder& folder) {
  std::string names;
  for (const auto& job : list.jobs) {
    const auto path = folder.module(job.name);
    if (!std::filesystem::exists(path)) continue;
    const Attributes module = read_attributes(path);
    const auto difference = test_difference(job, module);
    if (difference.empty() || !same_training(job, folder, module)) continue;
    log::info("{}: was tested {}: it is tested again", job.name, difference);
    names += job.name + "\n";
  }
  return names;
}

}  // namespace

std::string test_difference(const Job& job, const Attributes& module) {
  const auto& test = job.shape;
  const std::int64_t scored = integer_attribute(module, "test_images"),
                     dropped = integer_or_zero(module, "test.dropped");
  const std::string digest = text_or_empty(module, "test.digest"),
                    start = text_or_empty(module, "test.start_digest");
  const bool same =
      digest == test.test_digest && (start.empty() || start == digest) &&
      scored == scored_images(test.test_images, job.train.eval_batch, job.train.eval_drop_last) &&
      module.contains("acc1_published") == job.train.published_meter;
  if (same) return {};
  if (digest.empty()) return "by an earlier version, which did not record on what";
  return fmt::format("on {} (digest {}), {} of {} images scored{}{}",
                     text_or_empty(module, "test.name"), digest, scored, scored + dropped,
                     start.empty() || start == digest ? "" : ", its start on another set",
                     module.contains("acc1_published") ? ", with the published meter" : "");
}

bool retest_finished(const JobList& list, const Config& config, const RunFolder& folder,
                     const Session& session, Watchdog& watchdog) {
  const Communicator& world = session.world();
  std::istringstream names(on_root(world, [&] { return other_tests(list, folder); }));
  TrainContext context;
  context.world = context.group = world;
  context.device = session.device();
  Heartbeat heart(world, watchdog);
  context.beat = [&](const std::string& what) { heart.beat(what); };
  for (std::string name; std::getline(names, name);) {
    const Job& job = list.find(name);
    fit_priors({&job}, folder, world);
    Builder builder(folder, {}, world, context.device);
    const Task task = builder.task(job, {{"config", config.text()}});
    const Chain published = builder.published(job, folder.module(name));
    if (!retest(task, published, context)) return false;
  }
  return true;
}

}  // namespace m2mkd
