#include <cmath>

#include <m2mkd/data/options.hpp>
#include <m2mkd/data/transforms.hpp>

namespace m2mkd {

namespace {

std::string rand_augment_text(const std::string& text) {
  try {
    parse_rand_augment(text);
    return {};
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
}

}  // namespace

Keys<DataOptions> DataOptions::keys() {
  using O = DataOptions;
  const auto count = within<std::int64_t>(0, 1'000'000'000'000);
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
  k.add(
      "image_size", &O::image_size,
      "side of what the network sees; 0: from the file. Encoded images need it, pixels of another "
      "size are resized; `plan` needs it where the file is absent",
      count);
  k.add("channels", &O::channels, "image channels; 0: from the file", within<std::int64_t>(0, 64));
  k.add("classes", &O::classes, "number of classes; 0: from the file",
        within<std::int64_t>(0, 10'000'000));
  k.add("count", &O::count, "images of the training file; 0: from the file", count);
  k.add("test_count", &O::test_count, "images of the test file; 0: from the file", count);
  k.add("order", &O::order,
        "shuffled anew every epoch; sequential: file order; published: the published Python's "
        "repeated augmentation");
  k.add("flip", &O::flip, "probability of a horizontal flip", probability);
  k.add("crop_pad", &O::crop_pad, "random crop after zero-padding by this many pixels; 0: none",
        within<std::int64_t>(0, 4096));
  k.add("random_resized_crop", &O::random_resized_crop,
        "train on a random part of the image, resized to image_size; excludes crop_pad");
  k.add("crop_scale_min", &O::crop_scale_min,
        "smallest share of the image's area in a random resized crop", within<double>(1e-4, 1.0));
  k.add("rand_augment", &O::rand_augment, "RandAugment, such as rand-m9-mstd0.5-inc1; none: off",
        rand_augment_text);
  k.add("color_jitter", &O::color_jitter,
        "brightness, contrast and colour times 1 ± this; only where rand_augment is none",
        probability);
  k.add("erasing", &O::erasing, "probability of random erasing: noise in a box, after normalising",
        probability);
  k.add("eval_crop", &O::eval_crop,
        "evaluation crops this share of the resized image's side; 0.875: 224 of 256; 1: all of the "
        "shorter side",
        within<double>(0.01, 1.0));
  k.add("mixup", &O::mixup, "parameter of mixup's Beta distribution; 0: off", beta);
  k.add("cutmix", &O::cutmix,
        "parameter of cutmix's Beta distribution; 0: off. With mixup on too, each acts half the "
        "time",
        beta);
  k.add("mix_per", &O::mix_per,
        "one draw of mixup and cutmix per micro_batch, or rank_batch: per batch / compat.ranks "
        "images (published Python)");
  k.add("smoothing", &O::smoothing, "label smoothing: mass spread over all classes", probability);
  k.add("mean", &O::mean, "mean per channel in units of [0, 1]; empty: from the file",
        each_within(-1e6, 1e6));
  k.add("std", &O::std, "standard deviation per channel; empty: from the file",
        each_within(1e-6, 1e6));
  k.add("loader_depth", &O::loader_depth, "batches prepared ahead by the loader's thread",
        within<std::int64_t>(1, 1024));
  return k;
}

Keys<EvaluationOptions> EvaluationOptions::keys() {
  using O = EvaluationOptions;
  Keys<O> k;
  k.add("file", &O::file, "images to score networks on, a file made by m2mkd-pack");
  k.add("count", &O::count, "its images; 0: from the file",
        within<std::int64_t>(0, 1'000'000'000'000));
  k.add("classes", &O::classes,
        "same: the network's classes in their order; by_name: found by name, answers among all; "
        "subset: found by name, answers count among them alone (ImageNet-A, -R)");
  k.add("jobs", &O::jobs,
        "networks of these jobs (final.m2mkd, or a phase: final); empty: of all jobs that train a "
        "whole network");
  k.add("start", &O::start, "score assembled students and pairs' teachers before the first step");
  k.add("epochs", &O::epochs, "score every so many epochs; 0: not during training",
        within(0.0, 1e6));
  k.add("end", &O::end, "score the trained network");
  return k;
}

DataOptions without_augmentation(DataOptions options) {
  const DataOptions plain;
  options.order = plain.order;
  options.flip = plain.flip;
  options.crop_pad = plain.crop_pad;
  options.random_resized_crop = plain.random_resized_crop;
  options.rand_augment = plain.rand_augment;
  options.color_jitter = plain.color_jitter;
  options.erasing = plain.erasing;
  options.mixup = plain.mixup;
  options.cutmix = plain.cutmix;
  options.mix_per = plain.mix_per;
  options.smoothing = plain.smoothing;
  return options;
}

}  // namespace m2mkd
