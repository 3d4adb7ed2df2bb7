#pragma once
// The settings of sections [data] and [evaluation.NAME].

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <m2mkd/config/keys.hpp>

namespace m2mkd {

enum class Order { shuffled, sequential, published };
template <>
struct EnumNames<Order> {
  static constexpr std::array<std::pair<Order, std::string_view>, 3> names{
      {{Order::shuffled, "shuffled"},
       {Order::sequential, "sequential"},
       {Order::published, "published"}}};
};

/// What shares one draw of mixup and cutmix.
enum class MixPer { micro_batch, rank_batch };
template <>
struct EnumNames<MixPer> {
  static constexpr std::array<std::pair<MixPer, std::string_view>, 2> names{
      {{MixPer::micro_batch, "micro_batch"}, {MixPer::rank_batch, "rank_batch"}}};
};

struct DataOptions {
  std::filesystem::path train, test;  ///< packed HDF5 files (m2mkd-pack)
  std::int64_t validation_images =
      0;  ///< images split off the training file by a fixed stratified rule (0: none)
  std::int64_t train_images = 0;  ///< use a fixed stratified subset of the rest (0: all)
  std::int64_t image_size = 0;    ///< side of what the network sees; 0: that of the file. Encoded
                                  ///< images need it, pixels of another size are resized to it
  std::int64_t channels = 0, classes = 0;  ///< 0: from the file; like image_size needed by `plan`
                                           ///< where the file is absent
  std::int64_t count = 0, test_count = 0;  ///< likewise: images in the training and the test file
  Order order = Order::shuffled;
  std::int64_t published_ranks = 8;  ///< from [compat] ranks: virtual ranks of order = published
                                     ///< and mix_per = rank_batch, whatever the real number
  double flip = 0.0;                 ///< probability of a horizontal flip
  std::int64_t crop_pad = 0;         ///< random crop after zero-padding by so many pixels (0: none)
  bool random_resized_crop = false;  ///< train on a random part, resized; excludes crop_pad
  double crop_scale_min = 0.08;      ///< smallest share of the area in a random resized crop
  std::string rand_augment = "none";  ///< "rand-m9-mstd0.5-inc1" (transforms.hpp)
  double color_jitter = 0.0;          ///< strength; only where rand_augment is none
  double erasing = 0.0;               ///< probability of random erasing, after normalisation
  double eval_crop = 1.0;  ///< share of the resized image's side that evaluation's central crop
                           ///< keeps; 0.875 resizes to 256 for 224
  double mixup = 0.0,
         cutmix = 0.0;  ///< Beta parameters; 0 switches off. Both on: cutmix with probability 0.5
  MixPer mix_per = MixPer::micro_batch;  ///< one draw per micro-batch, or per share of a virtual
                                         ///< rank (published Python)
  double smoothing = 0.0;                ///< label smoothing
  std::vector<double> mean, std;         ///< per channel; empty: from the file
  std::int64_t loader_depth =
      4;  ///< batches prepared ahead by the loader thread (not part of a run's identity)

  static Keys<DataOptions> keys();
};

/// How the classes of a file of images are found among those of a network.
enum class ClassesOf { same, by_name, subset };
template <>
struct EnumNames<ClassesOf> {
  static constexpr std::array<std::pair<ClassesOf, std::string_view>, 3> names{
      {{ClassesOf::same, "same"}, {ClassesOf::by_name, "by_name"}, {ClassesOf::subset, "subset"}}};
};

/// Section [evaluation.NAME].
struct EvaluationOptions {
  std::filesystem::path file;           ///< packed by m2mkd-pack
  std::int64_t count = 0;               ///< its images, for `plan` without it; 0: from the file
  ClassesOf classes = ClassesOf::same;  ///< by_name: a label map; subset: a class mask too
  std::vector<std::string> jobs;        ///< patterns as in run.jobs; empty: whole networks
  bool start = false;  ///< before the first step, where there is something to score
  double epochs = 0;   ///< every so many epochs; 0: not during training
  bool end = true;     ///< the trained network

  static Keys<EvaluationOptions> keys();
};

/// The same images without anything random but their order: no augmentation, mixing or smoothing.
DataOptions without_augmentation(DataOptions options);

}  // namespace m2mkd
