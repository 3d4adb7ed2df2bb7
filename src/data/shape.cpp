// What a plan must know about the data, with or without the files at hand.

#include <optional>

#include <m2mkd/base/error.hpp>
#include <m2mkd/data/dataset.hpp>

#include "file_check.hpp"

namespace m2mkd {

namespace {

// The header of one file; nothing where it is absent or cannot be read (the reason is then in
// `problems`, or sizes are in the options).
std::optional<ImageFileInfo> header(const DataOptions& options, bool test,
                                    std::vector<std::string>& problems) {
  const auto& path = test ? options.test : options.train;
  const std::string key = test ? "data.test" : "data.train";
  const std::int64_t count = test ? options.test_count : options.count;
  if (!path.empty() && std::filesystem::exists(path)) {
    try {
      auto info = ImageFile(path).info();
      for (auto& text : contradictions(info, options, key, count))
        problems.push_back(std::move(text));
      return info;
    } catch (const Error& e) {
      problems.push_back(key + ": " + e.what());
      return std::nullopt;
    }
  }
  std::string missing;
  const auto need = [&](const char* name, std::int64_t value) {
    if (value == 0) missing += std::string(missing.empty() ? "" : ", ") + "data." + name;
  };
  need("image_size", options.image_size);
  need("channels", options.channels);
  need("classes", options.classes);
  need(test ? "test_count" : "count", count);
  if (!missing.empty()) {
    if (path.empty())
      problems.push_back(key +
                         " is not set: give a file made by m2mkd-pack (for `plan` alone, set " +
                         missing + ")");
    else
      problems.push_back(key + " = " + path.string() + ": no such file; " + pack_hint(path) +
                         " (for `plan` alone, set " + missing + ")");
  }
  return std::nullopt;
}

}  // namespace

DataShape data_shape(const DataOptions& options, std::vector<std::string>& problems) {
  const auto train = header(options, false, problems);
  const auto test = header(options, true, problems);
  DataShape shape;
  shape.channels = options.channels;
  shape.image_size = options.image_size;
  shape.classes = options.classes;
  for (const auto* info : {train ? &*train : nullptr, test ? &*test : nullptr}) {
    if (!info) continue;
    if (shape.channels == 0) shape.channels = info->channels;
    if (shape.image_size == 0) shape.image_size = info->height;
    if (shape.classes == 0) shape.classes = std::ssize(info->classes);
  }
  if (train && test) {
    if (train->channels != test->channels || train->height != test->height ||
        train->is_tensor != test->is_tensor || train->classes.size() != test->classes.size())
      problems.push_back(fmt::format(
          "data.train = {} ({} x {} x {}, {} classes, {}) and data.test = {} ({} x {} x {}, {} "
          "classes, {}) are not of one data set: pack both together",
          options.train.string(), train->channels, train->height, train->width,
          train->classes.size(), train->is_tensor ? "tensors" : "pixels", options.test.string(),
          test->channels, test->height, test->width, test->classes.size(),
          test->is_tensor ? "tensors" : "pixels"));
  }
  if (train) shape.train_digest = train->digest;
  if (test) shape.test_digest = test->digest;

  const std::int64_t count = train ? train->count : options.count;
  shape.test_images = test ? test->count : options.test_count;
  shape.validation_images = options.validation_images;
  const std::int64_t rest = count - options.validation_images;
  shape.train_images = options.train_images == 0 ? rest : options.train_images;
  if (count > 0 && (rest < 1 || shape.train_images > rest))
    problems.push_back(fmt::format(
        "data.validation_images = {} and data.train_images = {} do not fit into the {} images of "
        "data.train: make them smaller",
        options.validation_images, options.train_images, count));
  return shape;
}

}  // namespace m2mkd
