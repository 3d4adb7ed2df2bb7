#include <algorithm>
#include <set>

#include <m2mkd/config/value.hpp>
#include <m2mkd/data/sampler.hpp>
#include <m2mkd/nn/family.hpp>
#include <m2mkd/plan/job.hpp>
#include <m2mkd/train/schedule.hpp>
#include <m2mkd/train/trainable.hpp>

namespace m2mkd {

namespace {

template <class O>
void add_keys(std::set<std::string>& lines, const std::string& prefix, const O& options,
              const Keys<O>& keys, const std::vector<std::string>& without = {}) {
  for (const auto& key : keys.keys())
    if (std::ranges::count(without, key.name) == 0)
      lines.insert(prefix + key.name + " = " + key.print(options));
}

// `without`: further keys that do not change what the network is in this place.
void add_model(std::set<std::string>& lines, const std::string& prefix, const ModelOptions& model,
               bool distill_form = false, std::vector<std::string> without = {}) {
  const auto keys = ModelOptions::keys();
  for (const auto& key : keys.keys())
    if (!model.model->depends_on(key.name, distill_form)) without.push_back(key.name);
  add_keys(lines, prefix, model, keys, without);
}

}  // namespace

std::int64_t Job::micro_batches() const {
  const std::int64_t samples = samples_per_step(facts.train_images, train.batch);
  return (samples + train.micro_batch - 1) / train.micro_batch;
}

std::int64_t Job::steps() const {
  const auto images = std::max<std::int64_t>(1, facts.train_images);
  return steps_to_make(train, steps_per_epoch(data, images, train.batch));
}

Surrounding Job::around() const {
  return Outside(meta, image_shape())
      .around(stage, hybrid.token_mismatch == TokenMismatch::resample);
}

std::vector<Source> Job::sources() const {
  std::vector<Source> all;
  const auto add = [&](const Source& source) {
    if (source.defined()) all.push_back(source);
  };
  add(meta_weights);
  for (const auto& source : m2mkd::sources(start)) add(source);
  for (const auto& teacher : teachers) {
    add(teacher.weights);
    add(teacher.meta_weights);
  }
  return all;
}

std::vector<std::string> Job::parents() const {
  std::vector<std::string> names;
  for (const auto& source : sources())
    if (!source.job.empty() && std::ranges::count(names, source.job) == 0)
      names.push_back(source.job);
  return names;
}

std::string Job::identity() const {
  std::set<std::string> lines;
  const auto add = [&](const std::string& key, const auto& value) {
    lines.insert(fmt::format("{} = {}", key, value));
  };
  const auto add_source = [&](const std::string& key, const Source& source) {
    if (source.defined()) add(key, source.job.empty() ? "given" : source.job);
  };
  add("phase", enum_name(phase));
  add("network", enum_name(role));
  add("stage", stage);
  add("seed", seed);
  // Stitches are in every distill form by its own rule, whether the full student keeps them or not.
  add_model(lines, "network.", model, spliced(), {spliced() ? "keep_stitches" : "stitch"});
  const bool keeps_stitches =
      model.keep_stitches && model.model->depends_on("keep_stitches", false);
  if (spliced() || keeps_stitches) add_model(lines, "meta.", meta);
  add_source("from.meta", meta_weights);
  const auto begins = m2mkd::sources(start);
  for (std::size_t i = 0; i < begins.size(); ++i)
    add_source(parts() ? "from.part." + std::to_string(i) : "from.start", begins[i]);
  for (const auto& teacher : teachers) {
    add_model(lines, teacher.name + ".", teacher.model);
    if (!teacher.whole) add_model(lines, teacher.name + ".meta.", teacher.meta);
    add_source("from." + teacher.name, teacher.weights);
    add_source("from." + teacher.name + ".meta", teacher.meta_weights);
  }
  auto neutral = TrainOptions::neutral_keys();
  if (teachers.empty())
    neutral.insert(neutral.end(),
                   {"alpha", "tau", "kd_per", "ce_weight", "kd_type", "feature_weight"});
  if (spliced())
    add("hybrid.token_mismatch", enum_name(hybrid.token_mismatch));
  else
    neutral.insert(neutral.end(), {"frozen_drop_path", "drop_path_ramp"});
  neutral.emplace_back("drop_path");  // stands in the network's lines
  if (trains_all(train.trainable))
    neutral.emplace_back("trainable");  // as before there was the key
  add_keys(lines, "train.", train, TrainOptions::keys(), neutral);
  add_keys(lines, "data.", data, DataOptions::keys(),
           {"train", "test", "image_size", "channels", "classes", "count", "test_count",
            "loader_depth"});
  if (data.order == Order::published || data.mix_per == MixPer::rank_batch)
    add("compat.ranks", data.published_ranks);
  add("data.shape", fmt::format("{}x{}x{}, {} classes, {} images", facts.channels, facts.image_size,
                                facts.image_size, facts.classes, facts.train_images));
  if (!facts.train_digest.empty()) add("data.digest", facts.train_digest);
  if (!facts.mean.empty())
    add("data.normalisation",
        fmt::format("mean {} and std {}", print_value(facts.mean), print_value(facts.std)));
  std::string text;
  for (const auto& line : lines) text += line + "\n";
  return text;
}

Chain bare_chain(const Job& job, const at::TensorOptions& options) {
  const auto shape = job.image_shape();
  const std::string role(enum_name(job.role));
  if (!job.spliced()) return make_chain(job.model, shape, {job.meta, shape}, role, options);
  Chain chain{role, std::vector<StagePtr>(job.model.depths.size()), {}};
  chain.stages[static_cast<std::size_t>(job.stage)] =
      make_distill_form(job.model, shape, job.stage, job.around(), options);
  return chain;
}

bool is_meant(const std::string& name, const Job& job) {
  return name == job.name || name == enum_name(job.phase) || job.name.starts_with(name + ".");
}

}  // namespace m2mkd
