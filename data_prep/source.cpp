#include "source.hpp"

#include <algorithm>
#include <fstream>
#include <limits>
#include <set>

#include <m2mkd/base/error.hpp>
#include <m2mkd/config/value.hpp>

namespace m2mkd::pack {

const std::vector<SourceKind>& source_kinds() {
  static const std::vector<SourceKind> kinds{
      {"fashion-mnist",
       "Fashion-MNIST as Debian's package dataset-fashion-mnist installs it\n"
       "      --source-dir DIR     folder of the four *-ubyte.gz files\n"
       "                           (default /usr/share/datasets/fashion-mnist)",
       {},
       {"source-dir"},
       fashion_mnist},
      {"idx",
       "IDX files, plain or gzip: images uint8 (N, H, W) or (N, H, W, C), labels uint8 (N)\n"
       "      --train-images F --train-labels F --test-images F --test-labels F\n"
       "      --name TEXT --classes-file F (one name a line)",
       {"train-images", "train-labels", "test-images", "test-labels"},
       {"name", "classes-file"},
       idx},
      {"npy",
       "NumPy files: images uint8 (N, H, W, C) or (N, H, W), or float32 (N, C, H, W) that are\n"
       "    already normalised and reach the network untouched; labels of any integer type (N)\n"
       "      --images F --labels F [--test-images F --test-labels F]\n"
       "      --name TEXT --classes-file F --mean \"0.5 0.5 0.5\" --std \"0.2 0.2 0.2\"",
       {"images", "labels"},
       {"test-images", "test-labels", "name", "classes-file", "mean", "std"},
       npy},
      {"cifar",
       "CIFAR-10 or CIFAR-100 (fine labels), the binary version\n"
       "      --source-dir DIR     folder of data_batch_*.bin, test_batch.bin, or train.bin, "
       "test.bin\n"
       "      --name TEXT --mean \"0.5 0.5 0.5\" --std \"0.2 0.2 0.2\"",
       {"source-dir"},
       {"name", "mean", "std"},
       cifar},
      {"folder",
       "a folder of JPEG files, stored as they are: DIR/train/CLASS/*.jpg, and val or test "
       "likewise;\n"
       "    classes sorted by folder name. Mean and deviation are ImageNet's unless given\n"
       "      --source-dir DIR\n"
       "      --classes F          class folders in the order of their labels, one a line; some "
       "may\n"
       "                           be missing in DIR (ImageNet-R with the labels of ImageNet)\n"
       "      --name TEXT --mean \"0.485 0.456 0.406\" --std \"0.229 0.224 0.225\"",
       {"source-dir"},
       {"classes", "name", "mean", "std"},
       folder},
  };
  return kinds;
}

std::string flag(const Flags& flags, const std::string& name, const std::string& otherwise) {
  const auto found = flags.find(name);
  return found == flags.end() ? otherwise : found->second;
}

std::vector<std::string> read_classes(const std::filesystem::path& path) {
  std::ifstream in(path);
  if (!in) fail("{}: cannot be read as a list of classes", path.string());
  std::vector<std::string> names;
  for (std::string line; std::getline(in, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (!line.empty()) names.push_back(line);
  }
  if (names.empty()) fail("{}: holds no names of classes; write one a line", path.string());
  return names;
}

namespace {

std::vector<double> numbers(const Flags& flags, const std::string& name) {
  try {
    return parse_value<std::vector<double>>(flag(flags, name));
  } catch (const std::invalid_argument& e) {
    throw ConfigError("--" + name + " " + flags.at(name) + ": " + e.what());
  }
}

}  // namespace

void take_mean_and_std(const Flags& flags, ImageFileInfo& info) {
  info.mean = numbers(flags, "mean");
  info.std = numbers(flags, "std");
  if (info.mean.size() != info.std.size() ||
      (!info.mean.empty() && std::ssize(info.mean) != info.channels))
    throw ConfigError(
        fmt::format("--mean and --std take {} numbers each, one per channel", info.channels));
  for (const double s : info.std)
    if (!(s > 0)) throw ConfigError("--std takes numbers above 0");
}

namespace {

void validate(const SplitSource& split, std::size_t classes) {
  const auto count = static_cast<std::int64_t>(split.labels.size());
  if (count != split.info.count)
    fail("{}: {} images but {} labels: are these files of one split?", split.where,
         split.info.count, count);
  const auto& info = split.info;
  const bool pixels = info.form == ImageForm::encoded || info.height * info.width > 0;
  if (count == 0 || info.channels == 0 || !pixels)
    fail("{}: holds no images, or images without pixels ({} of {} x {} x {})", split.where, count,
         info.height, info.width, info.channels);
  for (std::size_t i = 0; i < split.labels.size(); ++i)
    if (split.labels[i] < 0 || split.labels[i] >= static_cast<std::int64_t>(classes))
      fail("{}: label {} of image {} is outside the {} classes: labels count from 0", split.where,
           split.labels[i], i, classes);
}

}  // namespace

void complete(Source& source) {
  if (source.classes.empty()) {
    std::int64_t largest = 0;
    for (const auto* split : {&source.train, &source.test})
      for (const auto label : split->labels) largest = std::max(largest, label);
    if (largest >= 1'000'000)
      fail("{}: the largest label is {}: that cannot be a class number", source.name, largest);
    for (std::int64_t c = 0; c <= largest; ++c) source.classes.push_back(std::to_string(c));
  }
  if (const std::set<std::string> names(source.classes.begin(), source.classes.end());
      names.size() != source.classes.size())
    fail("{}: two of the {} classes have the same name", source.name, source.classes.size());
  for (auto* split : {&source.train, &source.test}) {
    split->info.name = source.name;
    split->info.split = split == &source.train ? "train" : "test";
    split->info.classes = source.classes;
    validate(*split, source.classes.size());
  }
  const auto &a = source.train.info, &b = source.test.info;
  if (a.channels != b.channels || a.height != b.height || a.width != b.width || a.form != b.form)
    fail("{} holds images of {} x {} x {}, but {} of {} x {} x {}: both splits must agree",
         source.train.where, a.height, a.width, a.channels, source.test.where, b.height, b.width,
         b.channels);
}

}  // namespace m2mkd::pack
