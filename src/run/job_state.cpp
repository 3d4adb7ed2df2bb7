#include "job_state.hpp"

#include <algorithm>
#include <optional>
#include <set>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/log.hpp>
#include <m2mkd/nn/weights.hpp>
#include <m2mkd/plan/difference.hpp>
#include <m2mkd/store/checkpoint.hpp>
#include <m2mkd/store/digest.hpp>
#include <m2mkd/store/table_file.hpp>
#include <m2mkd/train/completion.hpp>
#include <m2mkd/train/identity.hpp>

namespace m2mkd {

namespace {

namespace fs = std::filesystem;

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

// What a user has changed: the keys of the identity. Where only parents' digests differ, which
// nobody writes, the parents, and the settings that are others than when this was made.
std::vector<std::string> causes(const std::vector<std::string>& differences, const Attributes& made,
                                const Config& config) {
  const std::string mark = "digest.";
  if (std::ranges::any_of(differences, [&](const auto& d) { return !d.starts_with(mark); })) {
    auto own = differences;
    std::erase_if(own, [&](const auto& d) { return d.starts_with(mark); });
    return own;
  }
  std::vector<std::string> lines;
  for (const auto& d : differences)
    lines.push_back(d.substr(mark.size(), d.find(": ") - mark.size()) +
                    ": has other weights than it was made from");
  if (made.contains("config"))
    for (auto& line : setting_differences(text_attribute(made, "config"), config.text()))
      lines.push_back(std::move(line));
  return lines;
}

// Leftovers of other settings.
[[noreturn]] void refuse(const Job& job, const RunFolder& folder,
                         const std::vector<std::string>& differences, const std::string& what) {
  throw Error(
      fmt::format(
          "{}: {} in {} was made by other settings:{}\nUse --run.redo to train it (and what "
          "depends on it) anew{}, or "
          "another --run.dir",
          job.name, what, folder.dir.string(), list(differences),
          only_epochs_differ(differences) ? ", --run.extend to go on with the new schedule" : ""),
      ExitCode::usage);
}

// A longer schedule goes on from the last step's checkpoint, which alone has the optimizer's state.
void require_kept(const Job& job, const RunFolder& folder, std::int64_t steps) {
  const auto kept = CheckpointFolder(folder.checkpoints(job.name)).steps();
  if (std::ranges::count(kept, steps) > 0) return;
  fail(
      "{}: cannot go on with it: it was finished without a checkpoint [its optimizer state is "
      "gone]. Set train.keep_checkpoints = "
      "true before the first run, or train it anew with --run.redo",
      job.name);
}

// The last step's checkpoint becomes one of the job with the longer schedule.
void prolong(const Job& job, const RunFolder& folder, const std::string& identity) {
  const TensorFile module = read_tensor_file(folder.module(job.name));
  const CheckpointFolder checkpoints(folder.checkpoints(job.name));
  const std::int64_t steps = integer_attribute(module.attributes, "steps");
  TensorFile state = checkpoints.load(steps);
  state.attributes["identity"] = identity;
  const auto before = module.attributes.find("extended_from");
  state.attributes["result.extended_from"] =
      (before == module.attributes.end() ? "" : std::get<std::string>(before->second) + "; ") +
      fmt::format("{} steps, digest {}", steps, text_attribute(module.attributes, "digest"));
  checkpoints.save(steps, state);
  log::warn("{}: goes on from step {} with the new schedule (run.extend)", job.name, steps);
}

enum class Next { nothing, train, redo, extend };

struct Judged {
  Next next = Next::train;
  std::string what;  ///< redo: of which file
  std::vector<std::string> differences;
};

// What differs from what the files say; a parent that is not known yet makes no difference.
std::vector<std::string> known_differences(const std::string& before, const std::string& now) {
  auto differences = identity_differences(before, now);
  std::erase_if(differences, [](const std::string& line) {
    return line.starts_with("digest.") && line.ends_with(" -> unknown");
  });
  return differences;
}

// The newest checkpoint's attributes; nothing where there is none, or it is damaged.
std::optional<Attributes> newest_checkpoint(const Job& job, const RunFolder& folder) {
  const CheckpointFolder checkpoints(folder.checkpoints(job.name));
  const auto steps = checkpoints.steps();
  if (steps.empty()) return std::nullopt;
  try {
    return read_attributes(checkpoints.path(steps.front()));
  } catch (const Error&) {  // the trainer says so and uses the older one
    return std::nullopt;
  }
}

// Reads only. Throws what refuses.
Judged judge(const Job& job, const RunFolder& folder, const Digests& digests,
             const Config& config) {
  const std::string identity = full_identity(job, digests);
  const auto differ = [&](const Attributes& made) {
    return known_differences(text_attribute(made, "identity"), identity);
  };
  const auto settled = [&](const Attributes& made, const std::string& what) {
    Judged judged{Next::redo, what, differ(made)};
    if (judged.differences.empty()) return judged;
    judged.differences = causes(judged.differences, made, config);
    if (!config.run.redo) refuse(job, folder, judged.differences, what);
    return judged;
  };
  const fs::path module = folder.module(job.name);
  if (fs::exists(module)) {
    const Attributes attributes = read_attributes(module);
    const auto differences = differ(attributes);
    if (differences.empty())
      return {integer_attribute(attributes, "steps") >= job.steps() ? Next::nothing : Next::train,
              "",
              {}};
    if (config.run.extend && only_epochs_differ(differences)) {
      const auto going = newest_checkpoint(job, folder);  // prolonged before, then stopped
      const bool prolonged = going && differ(*going).empty();
      if (!prolonged) require_kept(job, folder, integer_attribute(attributes, "steps"));
      return {prolonged ? Next::train : Next::extend, "", {}};
    }
    return settled(attributes, "the finished module file");
  }
  if (const auto found = newest_checkpoint(job, folder))
    if (auto judged = settled(*found, "the checkpoint"); !judged.differences.empty()) return judged;
  return {};
}

}  // namespace

bool is_finished(const Job& job, const RunFolder& folder, const Digests& digests,
                 const Config& config) {
  const Judged judged = judge(job, folder, digests, config);
  switch (judged.next) {
    case Next::nothing: {
      const fs::path module = folder.module(job.name);
      if (const auto damages = verify_tensor_file(module); !damages.empty())
        fail("{} is damaged: {}. Remove it to train {} anew", module.string(), damages.front(),
             job.name);
      complete(read_table_file(module), folder.checkpoints(job.name), folder.status(job.name));
      return true;
    }
    case Next::redo:
      log::warn("{}: {} was made by other settings and is trained anew (run.redo):{}", job.name,
                judged.what, list(judged.differences));
      forget(job, folder);
      return false;
    case Next::extend:
      prolong(job, folder, full_identity(job, digests));
      return false;
    case Next::train:
      break;
  }
  return false;
}

bool same_training(const Job& job, const RunFolder& folder, const Attributes& module) {
  Digests digests;
  for (const auto& source : job.sources()) {
    const auto path = folder.file(source);
    if (!fs::exists(path)) return false;
    digests[digest_key(source)] = weights_digest(path);
  }
  return identity_differences(text_attribute(module, "identity"), full_identity(job, digests))
      .empty();
}

bool would_accept(const std::vector<const Job*>& jobs, const RunFolder& folder,
                  const Config& config, Digests& given) {
  Digests known;
  std::set<std::string> open;
  for (const Job* job : jobs) {
    for (const auto& source : job->sources()) {
      const auto key = digest_key(source);
      if (open.contains(source.job) || known.contains(key)) continue;
      const auto path = folder.file(source);
      if (!fs::exists(path))
        fail("{} needs {}, which is not there [{}]", job->name, path.string(),
             source.job.empty() ? "a given file"
                                : "job " + source.job + " has not finished: run it first");
      known[key] = weights_digest(path);
      if (source.job.empty()) given[key] = known[key];
    }
    if (judge(*job, folder, known, config).next != Next::nothing) open.insert(job->name);
  }
  return !open.empty();
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
