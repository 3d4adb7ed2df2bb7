#include "job_state.hpp"

#include <algorithm>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/log.hpp>
#include <m2mkd/data/sampler.hpp>
#include <m2mkd/store/checkpoint.hpp>
#include <m2mkd/train/schedule.hpp>

namespace m2mkd {

namespace {

namespace fs = std::filesystem;

std::string identity_of(const fs::path& path) {
  return text_attribute(read_attributes(path), "identity");
}

// Only a longer schedule: what run.extend allows.
bool only_epochs_differ(const std::vector<std::string>& differences) {
  return std::ranges::all_of(differences,
                             [](const std::string& d) { return d.starts_with("train.epochs:"); });
}

std::string list(const std::vector<std::string>& differences) {
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(differences.size(), 8); ++i)
    text += "\n  " + differences[i];
  if (differences.size() > 8) text += fmt::format("\n  and {} more", differences.size() - 8);
  return text;
}

void forget(const Job& job, const RunFolder& folder) {
  fs::remove(folder.module(job.name));
  CheckpointFolder(folder.checkpoints(job.name)).remove();
  fs::remove(folder.metrics(job.name));
}

// Leftovers of other settings: prolonged, removed, or refused.
void settle_difference(const Job& job, const RunFolder& folder,
                       const std::vector<std::string>& differences, const RunOptions& run,
                       const std::string& what) {
  if (run.redo) {
    log::warn("{}: {} was made by other settings and is trained anew (run.redo):{}", job.name, what,
              list(differences));
    forget(job, folder);
    return;
  }
  throw Error(
      fmt::format(
          "{}: {} in {} was made by other settings:{}\nUse --run.redo to train it (and what "
          "depends on it) anew{}, or "
          "another --run.dir",
          job.name, what, folder.dir.string(), list(differences),
          only_epochs_differ(differences) ? ", --run.extend to go on with the new schedule" : ""),
      ExitCode::usage);
}

// The finished job becomes a checkpoint at its last step, so that the longer schedule goes on from
// there. Its optimizer moments are kept only in checkpoints, so they start from zero.
void prolong(const Job& job, const RunFolder& folder, const std::string& identity) {
  const TensorFile module = read_tensor_file(folder.module(job.name));
  const CheckpointFolder checkpoints(folder.checkpoints(job.name));
  const std::int64_t steps = integer_attribute(module.attributes, "steps");
  const auto steps_kept = checkpoints.steps();
  if (std::ranges::count(steps_kept, steps) == 0)
    fail(
        "{}: cannot go on with it: it was finished without a checkpoint [its optimizer state is "
        "gone]. Set train.keep_checkpoints = "
        "true before the first run, or train it anew with --run.redo",
        job.name);
  TensorFile state = checkpoints.load(steps);
  state.attributes["identity"] = identity;
  const auto before = module.attributes.find("extended_from");
  state.attributes["result.extended_from"] =
      (before == module.attributes.end() ? "" : std::get<std::string>(before->second) + "; ") +
      fmt::format("{} steps, digest {}", steps, text_attribute(module.attributes, "digest"));
  checkpoints.save(steps, state);
  log::warn("{}: goes on from step {} with the new schedule (run.extend)", job.name, steps);
}

}  // namespace

std::int64_t wanted_steps(const Job& job) {
  const std::int64_t per_epoch = steps_per_epoch(job.data, job.shape.train_images, job.train.batch);
  const std::int64_t all = total_steps(job.train.schedule, per_epoch);
  return job.train.max_steps > 0 ? std::min(all, job.train.max_steps) : all;
}

bool is_finished(const Job& job, const RunFolder& folder, const Digests& digests,
                 const RunOptions& run) {
  const std::string identity = full_identity(job, digests);
  const fs::path module = folder.module(job.name);
  if (fs::exists(module)) {
    const Attributes attributes = read_attributes(module);
    const auto differences = identity_differences(text_attribute(attributes, "identity"), identity);
    if (differences.empty()) {
      if (const auto damages = verify_tensor_file(module); !damages.empty())
        fail("{} is damaged: {}. Remove it to train {} anew", module.string(), damages.front(),
             job.name);
      return integer_attribute(attributes, "steps") >= wanted_steps(job);
    }
    if (run.extend && only_epochs_differ(differences)) {
      prolong(job, folder, identity);
      return false;
    }
    settle_difference(job, folder, differences, run, "the finished module file");
  }
  const CheckpointFolder checkpoints(folder.checkpoints(job.name));
  if (const auto steps = checkpoints.steps(); !steps.empty()) {
    std::string found;
    try {
      found = identity_of(checkpoints.path(steps.front()));
    } catch (const Error& error) {
      log::warn("{}: {}", job.name,
                error.what());  // a damaged newest checkpoint: the older one is used
      return false;
    }
    if (const auto differences = identity_differences(found, identity); !differences.empty())
      settle_difference(job, folder, differences, run, "the checkpoint");
  }
  return false;
}

void remove_leftovers(const RunFolder& folder) {
  if (!fs::exists(folder.dir)) return;
  for (const auto& entry : fs::recursive_directory_iterator(folder.dir))
    if (entry.path().filename().string().find(".tmp.") != std::string::npos)
      fs::remove(entry.path());
}

std::string progress_fingerprint(const JobList& jobs, const RunFolder& folder) {
  std::string text;
  for (const auto& job : jobs.jobs) {
    text += job.name + (fs::exists(folder.module(job.name)) ? " finished" : "");
    if (const auto steps = CheckpointFolder(folder.checkpoints(job.name)).steps(); !steps.empty())
      text += " " + std::to_string(steps.front());
    text += "\n";
  }
  return xxh3_hex(text);
}

}  // namespace m2mkd
