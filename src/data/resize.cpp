// Separable antialiased bicubic interpolation in 22-bit fixed point: columns first, bytes between
// the passes, then rows (reference/vmoe §5.3).

#include <algorithm>
#include <cmath>

#include <m2mkd/base/error.hpp>
#include <m2mkd/data/image.hpp>

#include "each_channel.hpp"

namespace m2mkd {
namespace {

constexpr int fraction_bits = 22;

double kernel(double x) {
  x = std::abs(x);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * -0.5;
  return 0;
}

std::uint8_t to_byte(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> fraction_bits, 0, 255));
}

// What each output place of one axis reads: count[i] inputs from first[i] on, with the weights at
// weight[i * most].
struct Taps {
  std::int64_t most = 0;
  std::vector<std::int64_t> first, count;
  std::vector<std::int32_t> weight;

  // For the places [begin, begin + places) of an axis of `in` inputs and `out` outputs.
  Taps(std::int64_t in, std::int64_t out, std::int64_t begin, std::int64_t places) {
    const double scale = static_cast<double>(in) / static_cast<double>(out);
    const double stretch = std::max(scale, 1.0), reach = 2 * stretch, inverse = 1 / stretch;
    most = 2 * static_cast<std::int64_t>(std::ceil(reach)) + 1;
    first.resize(static_cast<std::size_t>(places));
    count.resize(first.size());
    weight.resize(first.size() * static_cast<std::size_t>(most));
    std::vector<double> exact(static_cast<std::size_t>(most));
    for (std::size_t i = 0; i < first.size(); ++i) {
      const double centre =
          (static_cast<double>(begin + static_cast<std::int64_t>(i)) + 0.5) * scale;
      // Truncation, not floor: below 0 both give 0 after the clamp.
      first[i] = std::max<std::int64_t>(static_cast<std::int64_t>(centre - reach + 0.5), 0);
      count[i] = std::min(static_cast<std::int64_t>(centre + reach + 0.5), in) - first[i];
      const auto taps = static_cast<std::size_t>(count[i]);
      double sum = 0;
      for (std::size_t k = 0; k < taps; ++k) {
        const auto place = static_cast<double>(first[i] + static_cast<std::int64_t>(k));
        exact[k] = kernel((place - centre + 0.5) * inverse);
        sum += exact[k];
      }
      std::int32_t* to = weight.data() + i * static_cast<std::size_t>(most);
      for (std::size_t k = 0; k < taps; ++k) {
        const double w = (sum != 0 ? exact[k] / sum : exact[k]) * (1 << fraction_bits);
        to[k] = static_cast<std::int32_t>(w + (w < 0 ? -0.5 : 0.5));
      }
    }
  }
  const std::int32_t* weights(std::size_t i) const {
    return weight.data() + i * static_cast<std::size_t>(most);
  }
};

template <int C>
void resize_row(const std::uint8_t* in, const Taps& taps, std::uint8_t* out) {
  for (std::size_t i = 0; i < taps.first.size(); ++i, out += C) {
    const std::int32_t* w = taps.weights(i);
    const std::uint8_t* v = in + taps.first[i] * C;
    std::int32_t sum[C];
    std::fill_n(sum, C, 1 << (fraction_bits - 1));
    for (std::int64_t k = 0; k < taps.count[i]; ++k, v += C)
      each_channel<C>([&](int c) { sum[c] += w[k] * v[c]; });
    each_channel<C>([&](int c) { out[c] = to_byte(sum[c]); });
  }
}

// out[x] = sum over k of weight[k] * in[x + k * stride], for N columns x.
template <int N>
void blend_columns(const std::uint8_t* in, std::int64_t stride, std::int64_t rows,
                   const std::int32_t* weight, std::uint8_t* out) {
  std::int32_t sum[N];
  std::fill_n(sum, N, 1 << (fraction_bits - 1));
  for (; rows > 0; --rows, ++weight, in += stride)
    for (int x = 0; x < N; ++x) sum[x] += *weight * in[x];
  for (int x = 0; x < N; ++x) out[x] = to_byte(sum[x]);
}

void blend_rows(const std::uint8_t* in, std::int64_t stride, std::int64_t rows,
                const std::int32_t* weight, std::uint8_t* out) {
  constexpr int strip = 32;  // a fixed number, so that the compiler uses vector instructions
  std::int64_t x = 0;
  for (; x + strip <= stride; x += strip)
    blend_columns<strip>(in + x, stride, rows, weight, out + x);
  for (; x < stride; ++x) blend_columns<1>(in + x, stride, rows, weight, out + x);
}

bool inside(const Box& box, std::int64_t height, std::int64_t width) {
  return box.top >= 0 && box.left >= 0 && box.height > 0 && box.width > 0 &&
         box.top + box.height <= height && box.left + box.width <= width;
}

}  // namespace

void resize_bicubic(const Image& in, const Box& from, std::int64_t height, std::int64_t width,
                    Image& out) {
  Image between;
  resize_bicubic(in, from, height, width, {0, 0, height, width}, between, out);
}

void resize_bicubic(const Image& in, const Box& from, std::int64_t height, std::int64_t width,
                    const Box& window, Image& between, Image& out) {
  require(inside(from, in.height, in.width) && inside(window, height, width),
          "resize_bicubic: boxes lie inside their images");
  if (from.height == height && from.width == width)  // both passes would copy
    return crop(in, {from.top + window.top, from.left + window.left, window.height, window.width},
                out);
  const Taps across(from.width, width, window.left, window.width);
  const Taps down(from.height, height, window.top, window.height);
  // Only the input rows that the window needs pass through the first pass.
  const std::int64_t top = down.first.front(), bottom = down.first.back() + down.count.back();
  between.reshape(bottom - top, window.width, in.channels);
  for (std::int64_t y = 0; y < between.height; ++y) {
    const std::uint8_t* row = in.row(from.top + top + y) + from.left * in.channels;
    in.channels == 1 ? resize_row<1>(row, across, between.row(y))
                     : resize_row<3>(row, across, between.row(y));
  }
  out.reshape(window.height, window.width, in.channels);
  for (std::size_t i = 0; i < down.first.size(); ++i)
    blend_rows(between.row(down.first[i] - top), window.width * in.channels, down.count[i],
               down.weights(i), out.row(static_cast<std::int64_t>(i)));
}

}  // namespace m2mkd
