// What a plan must know about the data, with or without the files at hand.

#include <optional>

#include <m2mkd/base/error.hpp>
#include <m2mkd/data/dataset.hpp>
#include <m2mkd/data/provenance.hpp>

#include "file_check.hpp"
#include "pipeline.hpp"

namespace m2mkd {

namespace {

const char* form_name(ImageForm form) {
  switch (form) {
    case ImageForm::tensor:
      return "tensors";
    case ImageForm::encoded:
      return "encoded images";
    case ImageForm::pixels:
      break;
  }
  return "pixels";
}

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

std::string normalisations(const ImageFileInfo& train, const ImageFileInfo& test) {
  return fmt::format("{} there, {} here", normalisation_text(train.mean, train.std),
                     normalisation_text(test.mean, test.std));
}

// Are these the two files of one data set? Pixels may differ in size where they are resized.
void check_pair(const DataOptions& options, const ImageFileInfo& train, const ImageFileInfo& test,
                std::vector<std::string>& problems) {
  const bool tensors = train.form == ImageForm::tensor;
  const bool sizes = options.image_size > 0 || train.height == test.height;
  if (train.channels == test.channels && sizes && tensors == (test.form == ImageForm::tensor) &&
      train.classes.size() == test.classes.size())
    return;
  const auto text = [](const std::filesystem::path& path, const ImageFileInfo& info) {
    return fmt::format("{} ({} x {} x {}, {} classes, {})", path.string(), info.channels,
                       info.height, info.width, info.classes.size(), form_name(info.form));
  };
  problems.push_back(
      fmt::format("data.train = {} and data.test = {} are not of one data set: pack "
                  "both together",
                  text(options.train, train), text(options.test, test)));
}

// Labels of one file mean nothing by the class names of another, and tensors cannot be normalised
// anew.
void check_meaning(const DataOptions& options, const ImageFileInfo& train,
                   const ImageFileInfo& test, std::vector<std::string>& problems) {
  if (const auto difference = class_difference(train.classes, test.classes); !difference.empty())
    problems.push_back(
        fmt::format("data.test = {} has other classes than data.train = {} ({}): pack both "
                    "together, or with the same list of classes",
                    options.test.string(), options.train.string(), difference));
  if (train.form == ImageForm::tensor && test.form == ImageForm::tensor &&
      (train.mean != test.mean || train.std != test.std))
    problems.push_back(fmt::format(
        "data.test = {} holds tensors that were normalised otherwise than those of data.train = {} "
        "({}): pack both together",
        options.test.string(), options.train.string(), normalisations(train, test)));
}

}  // namespace

namespace {

DataFacts shape_of(const std::optional<ImageFileInfo>& train,
                   const std::optional<ImageFileInfo>& test, const DataOptions& options,
                   std::vector<std::string>& problems) {
  DataFacts shape;
  shape.channels = options.channels;
  shape.image_size = options.image_size;
  shape.classes = options.classes;
  for (const auto* info : {train ? &*train : nullptr, test ? &*test : nullptr}) {
    if (!info) continue;
    if (shape.channels == 0) shape.channels = info->channels;
    if (shape.image_size == 0) shape.image_size = network_side(*info, options);
    if (shape.classes == 0) shape.classes = std::ssize(info->classes);
  }
  if (train && test) {
    check_pair(options, *train, *test, problems);
    check_meaning(options, *train, *test, problems);
    if (train->form != ImageForm::tensor && options.mean.empty() &&
        (train->mean != test->mean || train->std != test->std))
      shape.note = fmt::format(
          "data.test = {} was packed with another normalisation than data.train = {} ({}): that of "
          "the training images is used for both",
          options.test.string(), options.train.string(), normalisations(*train, *test));
  }
  if (test) {
    shape.test_digest = test->digest;
    shape.test_name = test->name;
  }
  if (train) {
    shape.train_digest = train->digest;
    shape.train_name = train->name;
  }
  if (const auto& known = train ? train : test) {
    shape.class_names = known->classes;
    shape.mean = pixel_mean(*known, options);
    shape.std = pixel_std(*known, options);
  }

  shape.test_images = test ? test->count : options.test_count;
  return shape;
}

}  // namespace

DataFacts test_facts(const DataOptions& options, std::vector<std::string>& problems) {
  return shape_of({}, header(options, true, problems), options, problems);
}

DataFacts data_facts(const DataOptions& options, std::vector<std::string>& problems) {
  const auto train = header(options, false, problems);
  const auto test = header(options, true, problems);
  DataFacts shape = shape_of(train, test, options, problems);
  const std::int64_t count = train ? train->count : options.count;
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
