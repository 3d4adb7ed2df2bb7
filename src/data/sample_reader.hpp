#pragma once
// Reads one image of a packed file into its place in a batch tensor: decoded, transformed,
// normalised.

#include <ATen/core/Tensor.h>

#include <m2mkd/data/dataset.hpp>
#include <m2mkd/data/transforms.hpp>

#include "normaliser.hpp"

namespace m2mkd {

/// What the random draws of one showing depend on, beside the image's place in the file: the same
/// image in another subset or batch is augmented alike.
struct AugmentKey {
  std::uint64_t seed = 0;
  std::int64_t epoch = 0, repetition = 0;
};

/// Serves one thread.
class SampleReader {
 public:
  /// `dtype` is float or double.
  SampleReader(Dataset dataset, const DataOptions& options, at::ScalarType dtype);

  const Dataset& dataset() const { return dataset_; }
  /// Height and width of what is made.
  std::int64_t side() const { return transform_.size; }
  /// An unfilled (count, C, side, side) tensor.
  at::Tensor images(std::int64_t count) const;
  /// Puts sample `i` of the split into images[row], as training sees it: with flips, crops,
  /// augmentation and erasing.
  void read_augmented(std::int64_t i, const AugmentKey& key, const at::Tensor& images,
                      std::int64_t row);
  /// As evaluation sees it.
  void read_plain(std::int64_t i, const at::Tensor& images, std::int64_t row);

 private:
  template <class T>
  void read(std::int64_t i, const AugmentKey* key, T* out);
  template <class T>
  void read_tensor(std::int64_t index, const Placement& placement, T* out);
  Random random(std::int64_t index, const AugmentKey& key, bool erasing) const;
  Placement draw_placement(std::int64_t index, const AugmentKey& key) const;
  void read_image(std::int64_t index);

  Dataset dataset_;
  TransformOptions transform_;
  bool train_transforms_, eval_transforms_;  ///< more than placing pixels, which has a fast path
  at::ScalarType dtype_;
  Normaliser normalise_;
  std::vector<std::byte> bytes_;  ///< one encoded image as read
  Image image_, shown_;           ///< as stored, and as transformed
  Scratch scratch_;
  std::vector<float> floats_;  ///< one tensor as read, (C, H, W)
};

}  // namespace m2mkd
