#include <algorithm>
#include <chrono>
#include <thread>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/data/provenance.hpp>
#include <m2mkd/nn/initialise.hpp>
#include <m2mkd/nn/load.hpp>
#include <m2mkd/nn/weights.hpp>
#include <m2mkd/run/build.hpp>
#include <m2mkd/run/prior_files.hpp>
#include <m2mkd/train/parameter_type.hpp>

#include "starts.hpp"

namespace m2mkd {

namespace {

std::string stage_prefix(int stage) {
  return "stages/" + std::to_string(stage) + "/";
}

}  // namespace

Chain empty_chain(const std::string& role, int stages) {
  return {role, std::vector<StagePtr>(static_cast<std::size_t>(stages)), {}};
}

StagedFile read_stages(const std::filesystem::path& path, const std::vector<std::int64_t>& depths,
                       int only_stage) {
  if (path.extension() == ".h5") {  // of a module file only what is wanted is read
    TensorFile file = read_tensor_file(path, [&](const std::string& name) {
      return only_stage < 0
                 ? is_weight(name)
                 : name.starts_with(stage_prefix(only_stage)) || name.starts_with("shared/");
    });
    return {std::move(file.tensors), text_attribute(file.attributes, "digest")};
  }
  const WeightFile file = read_weights(path);
  StagedFile out{{}, file.digest};
  for (const auto& [name, tensor] : cut_into_stages(file, depths, {}, path.string()))
    if (only_stage < 0 || name.stage == only_stage || name.stage < 0)
      out.tensors.emplace_back(name.text('/'), tensor);
  return out;
}

std::string digest_key(const Source& source) {
  return source.job.empty() ? source.file.string() : source.job;
}

std::string full_identity(const Job& job, const Digests& digests) {
  std::map<std::string, std::string> parents;
  for (const auto& source : job.sources()) {
    const auto key = digest_key(source);
    const auto it = digests.find(key);
    parents[key] = it == digests.end() ? "unknown" : it->second;
  }
  std::string text = job.identity();
  for (const auto& [key, digest] : parents) text += "digest." + key + " = " + digest + "\n";
  return text;
}

Builder::Builder(RunFolder folder, Digests digests, Communicator group, c10::Device device,
                 Weights weights)
    : folder_(std::move(folder)),
      digests_(std::move(digests)),
      group_(std::move(group)),
      device_(device),
      weights_(weights) {}

at::TensorOptions Builder::tensor(const Job& job) const {
  return at::dtype(parameter_type(job.train.precision)).device(device_);
}

// Does this source's file give the weights?
bool Builder::reads(const Source& source) const {
  return weights_ == Weights::files ||
         (weights_ == Weights::known && digests_.contains(digest_key(source)));
}

// A file that another rank published a moment ago may be hidden by a stale cache of the shared file
// system: a few retries.
NamedTensors Builder::read(const Source& source, const std::vector<std::int64_t>& depths,
                           int only_stage) const {
  const auto path = folder_.file(source);
  const auto expected = digests_.find(digest_key(source));
  for (int attempt = 0;; ++attempt) {
    try {
      StagedFile file = read_stages(path, depths, only_stage);
      if (expected != digests_.end() && file.digest != expected->second)
        fail(
            "{} has digest {} where {} was announced [the file was changed, or the file system "
            "shows an old one]",
            path.string(), file.digest, expected->second);
      if (file.tensors.empty())
        fail("{} holds no tensor of stage {} [was it made by another configuration?]",
             path.string(), only_stage);
      if (const auto bad = first_not_finite(file.tensors); !bad.empty())
        fail("{}: {}: nothing can start from it", path.string(), bad);
      return std::move(file.tensors);
    } catch (const Error&) {
      if (attempt == 4 || source.job.empty()) throw;
      std::this_thread::sleep_for(std::chrono::milliseconds(200 << attempt));
    }
  }
}

void Builder::broadcast(const Chain& chain) const {
  const c10::NoGradGuard no_grad;
  for (const auto& list : {parameters(chain), buffers(chain)})
    for (const auto& entry : list) group_.broadcast(entry.tensor.detach());
}

void Builder::load_into(const Chain& chain, const Source& source, const ModelOptions& model,
                        int only_stage, const std::string& what) {
  if (group_.rank() == 0)
    load(chain, read(source, model.depths, only_stage),
         folder_.file(source).string() + " (" + what + ")");
  broadcast(chain);
}

// A frozen network, or one stage of it; loaded once per pack, so that its stages are the same
// objects for all jobs.
Chain Builder::frozen(const std::string& role, const ModelOptions& model, const Job& job,
                      const Source& source, int only_stage) {
  const std::string key = fmt::format("{} {} {}", role, digest_key(source), only_stage);
  if (const auto it = frozen_.find(key); it != frozen_.end()) return it->second;
  const Chain chain = make_chain(model, job.image_shape(), {model, job.image_shape()}, role,
                                 tensor(job), only_stage);
  if (reads(source))
    load_into(chain, source, model, only_stage, role);
  else
    initialise(chain, job.seed);
  return frozen_[key] = chain;
}

// The chain that is trained and evaluated: the network itself, or its stage inside the meta.
Chain Builder::surrounded(const Job& job, const Chain& own) {
  if (!job.spliced()) return own;
  return splice(frozen("meta", job.meta, job, job.meta_weights, -1), job.stage,
                own.stages[static_cast<std::size_t>(job.stage)]);
}

Chain Builder::finished(const Job& job, const std::filesystem::path& file) {
  const Chain own = bare_chain(job, tensor(job));
  load_into(own, {"", file}, job.model, job.stage, job.name);
  return surrounded(job, own);
}

Chain Builder::trained(const Job& job, Attributes& provenance) {
  const Chain chain = bare_chain(job, tensor(job));
  initialise(chain, job.seed);
  if (has_prior(job) && weights_ != Weights::random) start_signatures(chain, job, folder_, group_);
  const auto files = sources(job.start);
  if (files.empty() || !std::ranges::all_of(files, [&](const auto& s) { return reads(s); }))
    return chain;
  if (group_.rank() == 0) {
    const auto read_one = [&](const Source& source, int only_stage) {
      return read(source, job.model.depths, only_stage);
    };
    const StartPlace place{job, chain, read_one, provenance};
    std::visit([&](const auto& start) { load_start(start, place); }, job.start);
  }
  broadcast(chain);
  return chain;
}

Task Builder::task(const Job& job, Attributes provenance) {
  Task task;
  task.name = job.name;
  task.phase = std::string(enum_name(job.phase));
  task.options = job.train;
  task.data = job.data;
  task.evaluations = job.evaluations;
  task.seed = job.seed;
  task.flops_per_image = job.cost.train.executed;
  task.chain = surrounded(job, trained(job, provenance));
  for (int i = 0; i < task.chain.size(); ++i)
    if (!job.spliced() || i == job.stage) task.trained.push_back(i);
  for (const auto& teacher : job.teachers) {
    if (teacher.whole) {
      task.teachers.push_back(frozen(teacher.name, teacher.model, job, teacher.weights, -1));
      continue;
    }
    const Chain around = frozen("meta", teacher.meta, job, teacher.meta_weights, -1);
    const Chain stage = frozen(teacher.name, teacher.model, job, teacher.weights, job.stage);
    task.teachers.push_back(
        splice(around, job.stage, stage.stages[static_cast<std::size_t>(job.stage)]));
  }
  task.evaluate_start = job.assembled();
  task.evaluate_teachers = job.spliced() && !job.teachers.empty();
  task.module_file = folder_.module(job.name);
  task.checkpoints = folder_.checkpoints(job.name);
  task.metrics_file = folder_.metrics(job.name);
  task.status_file = folder_.status(job.name);
  provenance["job"] = job.name;
  provenance["phase"] = task.phase;
  provenance["network"] = std::string(enum_name(job.role));
  provenance["stage"] = static_cast<std::int64_t>(job.stage);
  provenance["method"] = job.scope;
  provenance.merge(data_attributes(job.facts, job.data));
  provenance["seed"] = static_cast<std::int64_t>(job.seed);
  provenance["identity"] = full_identity(job, digests_);
  provenance["parameters"] = parameter_count(task.chain);
  task.provenance = std::move(provenance);
  return task;
}

}  // namespace m2mkd
