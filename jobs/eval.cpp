#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <sstream>

#include <ATen/ATen.h>

#include <m2mkd/base/log.hpp>
#include <m2mkd/base/stopwatch.hpp>
#include <m2mkd/comm/on_root.hpp>
#include <m2mkd/convert/foreign_model.hpp>
#include <m2mkd/data/provenance.hpp>
#include <m2mkd/nn/weights.hpp>
#include <m2mkd/plan/recipe.hpp>
#include <m2mkd/run/build.hpp>
#include <m2mkd/store/attribute_text.hpp>
#include <m2mkd/store/tensor_file.hpp>
#include <m2mkd/train/evaluator.hpp>

#include "command.hpp"
#include "parallel.hpp"

namespace m2mkd {

namespace {

namespace fs = std::filesystem;

// What the model was trained on may be far away: its sizes stand in the file.
WrittenSettings data_sizes(const Attributes& attributes) {
  WrittenSettings settings{{"data.train", ""}, {"data.test_count", "0"}};
  for (const auto* name : {"channels", "image_size", "classes"})
    settings.emplace_back(
        std::string("data.") + name,
        std::to_string(integer_attribute(attributes, std::string("data.") + name)));
  return settings;
}

// Images are normalised as the model learnt to see them, unless settings say otherwise; said where
// the file of images says otherwise too. Classes must be the model's.
WrittenSettings same_data(const Attributes& model, const fs::path& test) {
  const ImageFileInfo images = ImageFile(test).info();
  const auto found = data_differences(model, images.classes, images.mean, images.std);
  if (!found.classes.empty())
    throw ConfigError(fmt::format(
        "the model knows other classes than {} ({}): pack the images with its list of classes",
        test.string(), found.classes));
  if (!model.contains("data.mean")) {
    log::info(
        "normalisation: not in the model's file; that of data.test (--data.mean, --data.std)");
    return {};
  }
  const auto& mean = text_attribute(model, "data.mean");
  if (images.form != ImageForm::tensor) {
    if (!found.normalisation.empty())
      log::warn("data.test is normalised as the model's training images were ({})",
                found.normalisation);
    return {{"data.mean", mean}, {"data.std", text_attribute(model, "data.std")}};
  }
  if (!found.normalisation.empty())
    throw ConfigError(fmt::format(
        "{} holds tensors that are normalised otherwise than the model's training images ({}): "
        "pack it again",
        test.string(), found.normalisation));
  return {};
}

// Settings of the files and flags as they were written, later ones last; wrong ones are refused.
WrittenSettings written_settings(const std::vector<std::string>& files, const CommandLine& line) {
  Config::read({files.begin(), files.end()}, line.settings);
  Settings settings;
  std::vector<std::string> problems;  // there are none left
  for (const auto& file : files) settings.add_file(file, problems);
  WrittenSettings written;
  for (const auto& [key, setting] : settings.all()) written.emplace_back(key, setting.value);
  written.insert(written.end(), line.settings.begin(), line.settings.end());
  return written;
}

std::string setting_of(const CommandLine& line, const char* key) {
  const auto it = std::ranges::find(line.settings, key, [](const auto& s) { return s.first; });
  return it == line.settings.end() ? std::string() : it->second;
}

// The side of the images is said by a setting; else by a network's grid of positions, which of a
// NAC leaves several: then the test images' own, where it is among them.
void settle_image_side(SeenModel& seen, const fs::path& model, const CommandLine& line) {
  if (seen.image_sides <= 1) return;
  if (!setting_of(line, "data.image_size").empty()) return;
  const auto side = ImageFile(setting_of(line, "data.test")).info().height;
  if (side < seen.image.size || side >= seen.image.size + seen.image_sides)
    throw ConfigError(fmt::format(
        "'{}' does not tell the side of its images: {} to {} pixels lead to its grid of "
        "positions, and the images of data.test are none of them: give "
        "--data.image_size N",
        model.string(), seen.image.size, seen.image.size + seen.image_sides - 1));
  seen.image.size = side;
  seen.guesses.push_back(fmt::format(
      "image side = {}: not in the weights; that of data.test (--data.image_size)", side));
}

// Of a file without configuration: the network is what its weights and the settings say.
Attributes seen_attributes(const fs::path& model, const std::vector<std::string>& files,
                           const CommandLine& line) {
  ForeignRequest request;
  request.path = model;
  request.one_stage = true;
  request.settings = written_settings(files, line);
  request.section =
      line.flags.contains("section") ? line.flags.at("section") : model_section(line.settings);
  for (const auto& [key, value] : request.settings)
    if (key == request.section + ".depths")
      request.stages = parse_value<std::vector<std::int64_t>>(value);
  auto seen = read_foreign(request).seen;
  if (!seen.whole)
    fail("'{}' holds a part of a network, which cannot be evaluated alone", model.string());
  if (!seen.heads_known)
    throw ConfigError(fmt::format(
        "weights of width {} do not tell the attention heads: give --{}.heads N, or a CONFIG.ini "
        "and --section teacher, student or meta",
        seen.options.width, request.section));
  settle_image_side(seen, model, line);
  for (const auto& guess : seen.guesses) log::info("{}", guess);
  return foreign_attributes(request, seen);
}

// The meta model that a stage was trained in: a job's file beside the model's own, or a given one.
std::string meta_of(const Attributes& attributes) {
  const std::string key = "from.meta = ";
  std::istringstream lines(text_or_empty(attributes, "identity"));
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(key)) return line.substr(key.size());
  return {};
}

// What all ranks must know of the network: whose it is, and its configuration.
Attributes known_network(const fs::path& model, const std::vector<std::string>& files,
                         const CommandLine& line) {
  if (const auto complaint = weight_file_complaint(model); !complaint.empty())
    throw ConfigError("'" + model.string() + "' " + complaint);
  Attributes attributes = weights_attributes(model);
  const bool stored = attributes.contains("config");
  if (!stored) attributes = seen_attributes(model, files, line);
  auto settings = data_sizes(attributes);
  if (fs::exists(setting_of(line, "data.test")))
    for (auto& setting : same_data(attributes, setting_of(line, "data.test")))
      settings.push_back(std::move(setting));
  for (const auto& setting : line.settings)
    // What was seen is the model; the settings had their say in it.
    if (stored || setting.first.starts_with("data.") || setting.first.starts_with("train."))
      settings.push_back(setting);
  std::vector<fs::path> paths;
  if (stored) paths.assign(files.begin(), files.end());
  Attributes known;
  for (const auto* name : {"job", "phase", "network", "stage", "method"})
    known[name] = attributes.at(name);
  known["meta"] = meta_of(attributes);
  known["config"] = Config::read(paths, settings, text_attribute(attributes, "config")).text();
  return known;
}

// The network as a job that is only evaluated.
Job evaluated_job(const Attributes& known, const fs::path& model) {
  const Config config = Config::from_text(text_attribute(known, "config"), model.string());
  const auto phase = parse_value<Phase>(text_attribute(known, "phase"));
  const auto role = parse_value<Role>(text_attribute(known, "network"));
  const auto stage = static_cast<int>(integer_attribute(known, "stage"));
  const auto context = text_attribute(known, "method");
  std::vector<std::string> problems;
  const DataFacts shape = test_facts(config.data(phase), problems);
  Job job = network_job(config, phase, role, stage, context, shape);
  for (auto& problem : model_problems(job.model, job.image_shape(), std::string(enum_name(role))))
    problems.push_back(std::move(problem));
  if (!problems.empty()) throw ConfigError(problems);
  job.name = text_attribute(known, "job");
  const auto meta = text_attribute(known, "meta");
  if (meta == "given")
    job.meta_weights.file = config.init(context).meta;
  else
    job.meta_weights.job = meta;
  return job;
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

// What is written must be none of the files that are read.
void refuse_input(const std::string& output, const std::vector<fs::path>& inputs) {
  std::error_code absent;
  for (const auto& input : inputs)
    if (fs::equivalent(input, output, absent))
      throw ConfigError("--logits " + output + ": this file is read here; name another one");
}

}  // namespace

ExitCode eval_command(const CommandLine& line) {
  const auto words =
      operands(line, 1, 100, "MODEL (.h5, .safetensors, .pth, .pt) and any CONFIG.ini");
  const fs::path model = words.front();
  if (std::ranges::none_of(line.settings, [](const auto& s) { return s.first == "data.test"; }))
    throw ConfigError("m2mkd eval needs --data.test FILE.h5");
  return in_session([&](Session& session) {
    const auto& world = session.world();
    const Attributes known = attributes_from_text(on_root(world, [&] {
      Attributes found = known_network(model, {words.begin() + 1, words.end()}, line);
      const Job job = evaluated_job(found, model);
      if (line.flags.contains("logits")) {
        std::vector<fs::path> inputs{job.data.test, job.data.train};
        inputs.insert(inputs.end(), words.begin(), words.end());
        refuse_input(line.flags.at("logits"), inputs);
      }
      require_verified(job.data);
      found["digest"] = job.facts.test_digest;
      return attribute_text(found);
    }));
    const Job job = evaluated_job(known, model);
    Builder builder({model.parent_path().parent_path()}, {}, world, session.device());
    const std::vector<Chain> chains{builder.finished(job, model)};
    const Dataset dataset(job.data, Split::test);
    dataset.expect(text_attribute(known, "digest"));
    const auto& images = dataset.file().info();
    if (world.rank() == 0 && images.form != ImageForm::encoded &&
        images.height != job.facts.image_size)
      log::info("images of {} x {} are resized to the {} x {} of the network (data.image_size)",
                images.height, images.width, job.facts.image_size, job.facts.image_size);
    at::Tensor logits;
    if (line.flags.contains("logits"))
      logits =
          at::zeros({scored_images(dataset.size(), job.train.eval_batch, job.train.eval_drop_last),
                     job.facts.classes},
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
