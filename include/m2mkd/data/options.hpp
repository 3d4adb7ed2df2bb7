#pragma once
// The settings of section [data] and of a training batch.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <m2mkd/config/keys.hpp>

namespace m2mkd {

enum class Order { shuffled, sequential };
template <>
struct EnumNames<Order> {
  static constexpr std::array<std::pair<Order, std::string_view>, 2> names{
      {{Order::shuffled, "shuffled"}, {Order::sequential, "sequential"}}};
};

struct DataOptions {
  std::filesystem::path train, test;  ///< packed HDF5 files (m2mkd-pack)
  std::int64_t validation_images =
      0;  ///< images split off the training file by a fixed stratified rule (0: none)
  std::int64_t train_images = 0;  ///< use a fixed stratified subset of the rest (0: all)
  std::int64_t image_size = 0, channels = 0,
               classes = 0;  ///< 0: from the file; needed by `plan` where the file is absent
  std::int64_t count = 0, test_count = 0;  ///< likewise: images in the training and the test file
  Order order = Order::shuffled;
  double flip = 0.0;          ///< probability of a horizontal flip
  std::int64_t crop_pad = 0;  ///< random crop after zero-padding by this many pixels (0: none)
  double mixup = 0.0,
         cutmix = 0.0;  ///< Beta parameters; 0 switches off. Both on: cutmix with probability 0.5
  double smoothing = 0.0;         ///< label smoothing
  std::vector<double> mean, std;  ///< per channel; empty: from the file
  std::int64_t loader_depth =
      4;  ///< batches prepared ahead by the loader thread (not part of a run's identity)

  static Keys<DataOptions> keys();
};

}  // namespace m2mkd
