#include <cmath>

#include <m2mkd/data/options.hpp>

namespace m2mkd {

namespace {

std::string finite_numbers(const std::vector<double>& values) {
  for (double v : values)
    if (!std::isfinite(v)) return "must be finite numbers, one per channel";
  return {};
}

std::string positive_numbers(const std::vector<double>& values) {
  for (double v : values)
    if (!(v > 0) || !std::isfinite(v)) return "must be numbers above 0, one per channel";
  return {};
}

}  // namespace

Keys<DataOptions> DataOptions::keys() {
  using O = DataOptions;
  const auto count = at_least<std::int64_t>(0);
  const auto probability = within<double>(0.0, 1.0);
  // A Beta distribution of a huge parameter is a constant: surely a typing error.
  const auto beta = within<double>(0.0, 100.0);
  Keys<O> k;
  k.add("train", &O::train, "training images, a file made by m2mkd-pack");
  k.add("test", &O::test, "test images, a file made by m2mkd-pack");
  k.add("validation_images", &O::validation_images,
        "images split off the training file by a fixed stratified rule; 0: none", count);
  k.add("train_images", &O::train_images,
        "train on a fixed stratified subset of the remaining images; 0: on all", count);
  k.add("image_size", &O::image_size,
        "pixels per side; 0: from the file. `plan` needs it where the file is absent", count);
  k.add("channels", &O::channels, "image channels; 0: from the file", count);
  k.add("classes", &O::classes, "number of classes; 0: from the file", count);
  k.add("count", &O::count, "images of the training file; 0: from the file", count);
  k.add("test_count", &O::test_count, "images of the test file; 0: from the file", count);
  k.add("order", &O::order, "shuffled anew every epoch, or sequential: file order");
  k.add("flip", &O::flip, "probability of a horizontal flip", probability);
  k.add("crop_pad", &O::crop_pad, "random crop after zero-padding by this many pixels; 0: none",
        count);
  k.add("mixup", &O::mixup, "parameter of mixup's Beta distribution; 0: off", beta);
  k.add("cutmix", &O::cutmix,
        "parameter of cutmix's Beta distribution; 0: off. With mixup on too, each acts half the "
        "time",
        beta);
  k.add("smoothing", &O::smoothing, "label smoothing: mass spread over all classes", probability);
  k.add("mean", &O::mean, "mean per channel in units of [0, 1]; empty: from the file",
        std::function<std::string(const std::vector<double>&)>(finite_numbers));
  k.add("std", &O::std, "standard deviation per channel; empty: from the file",
        std::function<std::string(const std::vector<double>&)>(positive_numbers));
  k.add("loader_depth", &O::loader_depth, "batches prepared ahead by the loader's thread",
        within<std::int64_t>(1, 1024));
  return k;
}

}  // namespace m2mkd
