#pragma once
// From bytes (H, W, C) to normalised floats (C, H, W), shifted and flipped on the way.

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace m2mkd {

/// Where the pixels of an image go. Applied in this order: shift (a crop of the zero-padded image),
/// then flip.
struct Placement {
  std::int64_t dy = 0, dx = 0;  ///< output (y, x) shows input (y + dy, x + dx); outside it is black
  bool flip = false;            ///< mirrored left to right
  bool identity() const { return dy == 0 && dx == 0 && !flip; }
};

/// out[c, y, x] = value(c, input position) where that lies inside the image, else outside(c).
template <class T, class Value, class Outside>
void place(std::int64_t channels, std::int64_t height, std::int64_t width, const Placement& p,
           const Value& value, const Outside& outside, T* out) {
  for (std::int64_t c = 0; c < channels; ++c)
    for (std::int64_t y = 0; y < height; ++y) {
      const std::int64_t from_y = y + p.dy;
      const bool row_inside = from_y >= 0 && from_y < height;
      for (std::int64_t x = 0; x < width; ++x) {
        const std::int64_t from_x = (p.flip ? width - 1 - x : x) + p.dx;
        const bool inside = row_inside && from_x >= 0 && from_x < width;
        *out++ = inside ? value(c, from_y, from_x) : outside(c);
      }
    }
}

/// v → (v / 255 - mean) / std per channel, by a table computed in double.
class Normaliser {
 public:
  /// `dtype` is float or double.
  Normaliser(const std::vector<double>& mean, const std::vector<double>& std, at::ScalarType dtype);

  /// T is the dtype's type.
  template <class T>
  void operator()(const std::uint8_t* in, std::int64_t height, std::int64_t width,
                  const Placement& placement, T* out) const {
    const T* table = table_.const_data_ptr<T>();
    const std::int64_t area = height * width, channels = table_.size(0);
    if (placement.identity()) {  // the common case, a plain gather per channel
      for (std::int64_t c = 0; c < channels; ++c, table += 256)
        for (std::int64_t k = 0; k < area; ++k) *out++ = table[in[k * channels + c]];
      return;
    }
    place(
        channels, height, width, placement,
        [&](std::int64_t c, std::int64_t y, std::int64_t x) {
          return table[c * 256 + in[(y * width + x) * channels + c]];
        },
        [&](std::int64_t c) { return table[c * 256]; }, out);
  }

 private:
  at::Tensor table_;  ///< (C, 256): the normalised value of every pixel value
};

}  // namespace m2mkd
