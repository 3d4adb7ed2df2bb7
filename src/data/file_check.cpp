#include "file_check.hpp"

#include <algorithm>

#include <fmt/ranges.h>

#include "pipeline.hpp"

namespace m2mkd {

std::string pack_hint(const std::filesystem::path& file) {
  const auto folder = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  const std::string name = file.string(),
                    source = name.find("fashion") != std::string::npos ? "fashion-mnist" : "SOURCE";
  return fmt::format(
      "pack it with: build/release/bin/m2mkd-pack {} --out {} (sources: m2mkd-pack --help)", source,
      folder.string());
}

const std::vector<double>& pixel_mean(const ImageFileInfo& info, const DataOptions& options) {
  return options.mean.empty() ? info.mean : options.mean;
}

const std::vector<double>& pixel_std(const ImageFileInfo& info, const DataOptions& options) {
  return options.std.empty() ? info.std : options.std;
}

namespace {

// Options that act on bytes and would change tensors that are already normalised.
std::vector<std::string> byte_options(const DataOptions& options) {
  std::vector<std::string> names;
  const auto note = [&](bool on, const char* name) {
    if (on) names.push_back(std::string("data.") + name);
  };
  note(!options.mean.empty() || !options.std.empty(), "mean and data.std");
  note(options.random_resized_crop, "random_resized_crop");
  note(parse_rand_augment(options.rand_augment).on(), "rand_augment");
  note(options.color_jitter > 0, "color_jitter");
  note(options.erasing > 0, "erasing");
  note(options.eval_crop < 1, "eval_crop");
  return names;
}

void check_size(const ImageFileInfo& info, const DataOptions& options, const std::string& file,
                std::vector<std::string>& problems) {
  if (info.form == ImageForm::encoded && options.image_size == 0)
    problems.push_back(
        fmt::format("data.image_size is not set, but {} holds encoded images of any size: set the "
                    "side of what the network should see, such as 224",
                    file));
  const bool resized = info.form != ImageForm::tensor && options.image_size > 0;
  if (!resized && info.height != info.width)
    problems.push_back(fmt::format(
        "{} has images of {} x {} pixels and the network takes square ones: set data.image_size "
        "(pixels are then resized and cropped), or pad them before packing",
        file, info.height, info.width));
  if (options.crop_pad > 0 && options.random_resized_crop)
    problems.emplace_back("data.crop_pad and data.random_resized_crop are two crops: choose one");
  const std::int64_t side = network_side(info, options);
  if (options.crop_pad > 0 && side > 0 && options.crop_pad >= side)
    problems.push_back(fmt::format("data.crop_pad = {} is not smaller than the images ({} x {})",
                                   options.crop_pad, side, side));
  // Random crops do not resize.
  const std::int64_t smaller = std::min(info.height, info.width);
  if (options.crop_pad > 0 && resized && smaller > 0 && smaller + 2 * options.crop_pad < side)
    problems.push_back(fmt::format(
        "data.crop_pad = {} does not pad the images of {} ({} x {}) to data.image_size = {}: use "
        "data.random_resized_crop",
        options.crop_pad, file, info.height, info.width, side));
}

void check_channels(const ImageFileInfo& info, const DataOptions& options, const std::string& file,
                    std::vector<std::string>& problems) {
  const auto channels = static_cast<std::size_t>(info.channels);
  const auto mean = pixel_mean(info, options).size(), std = pixel_std(info, options).size();
  if (mean != channels || std != channels)
    problems.push_back(
        fmt::format("{} has {} channels, but {} means and {} standard deviations are given: set "
                    "data.mean and data.std, one number per channel",
                    file, channels, mean, std));
  if (info.form == ImageForm::encoded && channels != 3)
    problems.push_back(fmt::format(
        "{} gives {} means, but encoded images are decoded to 3 channels: pack it again", file,
        channels));
  const Pipeline p = pipeline(info, options);
  if ((p.transforms_training || p.transforms_evaluation) && channels != 1 && channels != 3)
    problems.push_back(
        fmt::format("{} has {} channels: resizing, random_resized_crop, rand_augment and "
                    "color_jitter take 1 or "
                    "3",
                    file, channels));
}

}  // namespace

std::vector<std::string> contradictions(const ImageFileInfo& info, const DataOptions& options,
                                        const std::string& key, std::int64_t expected_count) {
  const bool test = key != "data.train";
  const auto& path = test ? options.test : options.train;
  const std::string file = fmt::format("{} ({})", path.string(), key);
  std::vector<std::string> problems;
  const auto compare = [&](const std::string& name, std::int64_t option, std::int64_t fact) {
    if (option != 0 && option != fact)
      problems.push_back(
          fmt::format("{} = {}, but {} has {}: remove {} (it is then taken from the file) "
                      "or give another file",
                      name, option, file, fact, name));
  };
  if (info.form == ImageForm::tensor) compare("data.image_size", options.image_size, info.height);
  compare("data.channels", options.channels, info.channels);
  // A sample to evaluate on may lack some of the network's classes, but has none beyond them.
  if (!test || std::ssize(info.classes) > options.classes)
    compare("data.classes", options.classes, std::ssize(info.classes));
  // data.count, data.test_count, evaluation.NAME.count
  compare(key == "data.test" ? "data.test_count" : key.substr(0, key.rfind('.')) + ".count",
          expected_count, info.count);
  check_size(info, options, file, problems);
  if (options.mean.empty() != options.std.empty())
    problems.push_back("data.mean and data.std go together: give both or neither");
  if (info.form != ImageForm::tensor) {
    check_channels(info, options, file, problems);
  } else if (const auto names = byte_options(options); !names.empty()) {
    problems.push_back(fmt::format(
        "{} holds tensors that are already normalised and reach the network untouched: remove {}",
        file, fmt::join(names, ", ")));
  }
  return problems;
}

}  // namespace m2mkd
