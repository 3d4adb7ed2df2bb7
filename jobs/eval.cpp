#include <algorithm>
#include <cstdio>
#include <filesystem>

#include <ATen/ATen.h>

#include <m2mkd/base/stopwatch.hpp>
#include <m2mkd/plan/build.hpp>
#include <m2mkd/plan/on_root.hpp>
#include <m2mkd/plan/recipe.hpp>
#include <m2mkd/store/tensor_file.hpp>
#include <m2mkd/train/evaluator.hpp>

#include "command.hpp"
#include "parallel.hpp"

namespace m2mkd {

namespace {

namespace fs = std::filesystem;

// What the model was trained on may be far away: its sizes stand in the file.
std::vector<std::pair<std::string, std::string>> data_sizes(const Attributes& attributes) {
  // Training images enough for any sampler.
  std::vector<std::pair<std::string, std::string>> settings{{"data.train", ""},
                                                            {"data.count", "1000000000"},
                                                            {"data.test_count", "0"},
                                                            {"data.validation_images", "0"},
                                                            {"data.train_images", "0"}};
  for (const auto* name : {"channels", "image_size", "classes"})
    settings.emplace_back(
        std::string("data.") + name,
        std::to_string(integer_attribute(attributes, std::string("data.") + name)));
  return settings;
}

Config stored_config(const fs::path& model, const Attributes& attributes,
                     const std::vector<std::string>& files, const CommandLine& line) {
  if (!attributes.contains("config"))
    fail("{} holds no configuration: it is not a module file of this program", model.string());
  auto settings = data_sizes(attributes);
  settings.insert(settings.end(), line.settings.begin(), line.settings.end());
  return Config::read({files.begin(), files.end()}, settings, text_attribute(attributes, "config"));
}

// Every rank fills in its rows; the sum over ranks is the whole.
void write_logits(const std::string& path, at::Tensor logits, const Dataset& dataset,
                  const Communicator& world) {
  world.sum(logits);
  if (world.rank() != 0) return;
  const at::Tensor labels = at::empty({logits.size(0)}, at::kInt);
  for (std::int64_t i = 0; i < logits.size(0); ++i)
    labels.mutable_data_ptr<std::int32_t>()[i] = dataset.label(i);
  TensorFile file;
  file.tensors = {{"logits", logits.to(at::kFloat)}, {"labels", labels}};
  write_tensor_file(path, file);
}

}  // namespace

ExitCode eval_command(const CommandLine& line) {
  const auto words = operands(line, 1, 100, "MODEL.h5 and any CONFIG.ini");
  const fs::path model = words.front();
  if (std::ranges::none_of(line.settings, [](const auto& s) { return s.first == "data.test"; }))
    throw ConfigError("m2mkd eval needs --data.test FILE.h5");
  return in_session([&](Session& session) {
    const auto& world = session.world();
    std::string job_name;
    const Config config =
        Config::from_text(on_root(world,
                                  [&] {
                                    const Attributes attributes = read_attributes(model);
                                    const Config found = stored_config(
                                        model, attributes, {words.begin() + 1, words.end()}, line);
                                    make_jobs(found);
                                    return found.text();
                                  }),
                          model.string());
    job_name = on_root(world, [&] { return text_attribute(read_attributes(model), "job"); });
    const JobList list = make_jobs(config);
    const Job& job = list.find(job_name);

    Builder builder({model.parent_path().parent_path()}, {}, world, session.device());
    const std::vector<Chain> chains{builder.published(job, model)};
    const Dataset dataset(job.data, Split::test);
    at::Tensor logits;
    if (line.flags.contains("logits"))
      logits =
          at::zeros({scored_images(dataset.size(), job.train.eval_batch, job.train.eval_drop_last),
                     job.shape.classes},
                    at::kDouble);
    const Stopwatch watch;
    const auto accuracy = evaluate(chains,
                                   {.dataset = dataset,
                                    .data = job.data,
                                    .batch = job.train.eval_batch,
                                    .precision = job.train.precision,
                                    .group = world,
                                    .device = session.device(),
                                    .drop_last = job.train.eval_drop_last},
                                   [&](std::int64_t first, const at::Tensor& z) {
                                     if (logits.defined())
                                       logits.narrow(0, first, z.size(0)).copy_(z);
                                   });
    if (!accuracy) return ExitCode::stopped;
    const double seconds = watch.seconds();
    if (logits.defined()) write_logits(line.flags.at("logits"), logits, dataset, world);
    if (world.rank() == 0) {
      const auto& a = accuracy->front();
      fmt::print(
          "{:<24}{:>9}{:>9}{:>7}{:>9}{:>9}{:>11}\n{:<24}{:>9}{:>9.2f}{:>7.2f}{:>9.2f}{:>9.4f}{:>11."
          "0f}\n",
          "model", "images", "acc1 %", "±se", "acc5 %", "loss", "images/s", job.name, a.count,
          a.acc1, a.standard_error(), a.acc5, a.loss, static_cast<double>(a.count) / seconds);
    }
    return ExitCode::finished;
  });
}

}  // namespace m2mkd
