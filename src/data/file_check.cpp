#include "file_check.hpp"

#include <fmt/format.h>

namespace m2mkd {

std::string pack_hint(const std::filesystem::path& file) {
  const auto folder = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  return fmt::format(
      "pack it with: build/release/bin/m2mkd-pack fashion-mnist --out {} (other sources: "
      "m2mkd-pack --help)",
      folder.string());
}

const std::vector<double>& pixel_mean(const ImageFileInfo& info, const DataOptions& options) {
  return options.mean.empty() ? info.mean : options.mean;
}

const std::vector<double>& pixel_std(const ImageFileInfo& info, const DataOptions& options) {
  return options.std.empty() ? info.std : options.std;
}

std::vector<std::string> contradictions(const ImageFileInfo& info, const DataOptions& options,
                                        const std::string& key, std::int64_t expected_count) {
  const auto& path = key == "data.test" ? options.test : options.train;
  std::vector<std::string> problems;
  const auto compare = [&](const char* name, std::int64_t option, std::int64_t fact) {
    if (option != 0 && option != fact)
      problems.push_back(
          fmt::format("data.{} = {}, but {} ({}) has {}: remove data.{} (it is then taken from the "
                      "file) or give another file",
                      name, option, path.string(), key, fact, name));
  };
  compare("image_size", options.image_size, info.height);
  compare("channels", options.channels, info.channels);
  compare("classes", options.classes, std::ssize(info.classes));
  compare(key == "data.test" ? "test_count" : "count", expected_count, info.count);
  if (info.height != info.width)
    problems.push_back(fmt::format(
        "{} ({}) has images of {} x {} pixels: this program takes square images; pad or crop them "
        "before packing",
        path.string(), key, info.height, info.width));
  if (options.mean.empty() != options.std.empty())
    problems.push_back("data.mean and data.std go together: give both or neither");
  if (info.is_tensor) {
    if (!options.mean.empty() || !options.std.empty())
      problems.push_back(fmt::format(
          "{} ({}) holds tensors that are already normalised: remove data.mean and data.std",
          path.string(), key));
  } else {
    const auto channels = static_cast<std::size_t>(info.channels);
    const auto mean = pixel_mean(info, options).size(), std = pixel_std(info, options).size();
    if (mean != channels || std != channels)
      problems.push_back(
          fmt::format("{} ({}) has {} channels, but {} means and {} standard deviations are given: "
                      "set data.mean and data.std, one number per channel",
                      path.string(), key, channels, mean, std));
  }
  if (options.crop_pad >= info.height || options.crop_pad >= info.width)
    problems.push_back(
        fmt::format("data.crop_pad = {} is not smaller than the images of {} ({} x {})",
                    options.crop_pad, path.string(), info.height, info.width));
  return problems;
}

}  // namespace m2mkd
