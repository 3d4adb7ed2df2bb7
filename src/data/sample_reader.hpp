#pragma once
// Reads one image of a packed file into its place in a batch tensor: decoded, transformed,
// normalised.

#include <ATen/core/Tensor.h>

#include <m2mkd/data/dataset.hpp>

#include "normaliser.hpp"
#include "pipeline.hpp"

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
  std::int64_t side() const { return pipeline_.transform.size; }
  /// An unfilled (count, C, side, side) tensor.
  at::Tensor images(std::int64_t count) const;
  /// Puts sample `i` of the split into images[row], as training sees it: with flips, crops,
  /// augmentation and erasing.
  void read_augmented(std::int64_t i, const AugmentKey& key, const at::Tensor& images,
                      std::int64_t row);
  /// As evaluation sees it.
  void read_plain(std::int64_t i, const at::Tensor& images, std::int64_t row);

 private:
  void read_row(std::int64_t i, const AugmentKey* key, const at::Tensor& images, std::int64_t row);
  template <class T>
  void read(std::int64_t i, const AugmentKey* key, T* out);
  template <class T>
  void read_tensor(std::int64_t index, const Placement& placement, T* out);
  Random random(std::int64_t index, const AugmentKey& key, bool erasing) const;
  Placement draw_placement(std::int64_t index, const AugmentKey& key) const;
  /// The image's bytes as stored, and as transformed: (side, side, C).
  const std::uint8_t* read_bytes(std::int64_t index);
  const std::uint8_t* read_transformed(std::int64_t index, const AugmentKey* key);

  Dataset dataset_;
  Pipeline pipeline_;
  at::ScalarType dtype_;
  Normaliser normalise_;
  std::vector<std::uint8_t> bytes_;  ///< one image as read
  Image image_, shown_;              ///< decoded, and transformed
  Scratch scratch_;
  std::vector<float> floats_;  ///< one tensor as read, (C, H, W)
};

}  // namespace m2mkd
