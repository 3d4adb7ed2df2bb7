#pragma once
// Reads one image of a packed file into its place in a batch tensor: shifted, flipped, normalised.

#include <ATen/core/Tensor.h>

#include <m2mkd/data/dataset.hpp>

namespace m2mkd {

/// Where the pixels of an image go. Applied in this order: shift (a crop of the zero-padded image),
/// then flip.
struct Placement {
  std::int64_t dy = 0, dx = 0;  ///< output (y, x) shows input (y + dy, x + dx); outside it is black
  bool flip = false;            ///< mirrored left to right
  bool identity() const { return dy == 0 && dx == 0 && !flip; }
};

/// Serves one thread.
class SampleReader {
 public:
  /// `dtype` is float or double.
  SampleReader(Dataset dataset, const DataOptions& options, at::ScalarType dtype);

  const Dataset& dataset() const { return dataset_; }
  /// An unfilled (count, C, H, W) tensor.
  at::Tensor images(std::int64_t count) const;
  /// Reads sample `i` of the split into images[row].
  void read(std::int64_t i, const Placement& placement, const at::Tensor& images, std::int64_t row);

 private:
  template <class T>
  void read_pixels(std::int64_t index, const Placement& placement, T* out);
  template <class T>
  void read_tensor(std::int64_t index, const Placement& placement, T* out);

  Dataset dataset_;
  std::int64_t channels_, height_, width_;
  at::ScalarType dtype_;
  at::Tensor table_;                  ///< (C, 256): the normalised value of every pixel value
  std::vector<std::uint8_t> pixels_;  ///< one image as read, (H, W, C)
  std::vector<float> floats_;         ///< one tensor as read, (C, H, W)
};

}  // namespace m2mkd
