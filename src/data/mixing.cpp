#include "mixing.hpp"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

// Plain loops, no tensor operations: these would start a second OpenMP pool in the loader's thread,
// against the training thread's.

namespace m2mkd {

namespace {

template <class T>
void mix_rows(const Mix& mix, T* rows, std::int64_t count, std::int64_t channels,
              std::int64_t height, std::int64_t width) {
  const std::int64_t size = channels * height * width;
  const T own = static_cast<T>(mix.lambda), other = static_cast<T>(1 - mix.lambda);
  for (std::int64_t i = 0; i < count / 2; ++i) {
    T* a = rows + i * size;
    T* b = rows + (count - 1 - i) * size;
    if (mix.cut) {
      for (std::int64_t c = 0; c < channels; ++c)
        for (std::int64_t y = mix.top; y < mix.bottom; ++y) {
          const std::int64_t line = (c * height + y) * width;
          std::swap_ranges(a + line + mix.left, a + line + mix.right, b + line + mix.left);
        }
    } else {
      for (std::int64_t k = 0; k < size; ++k) {
        const T x = a[k], y = b[k];
        a[k] = own * x + other * y;
        b[k] = own * y + other * x;
      }
    }
  }
}

template <class T>
void fill_targets(const Mix& mix, std::span<const std::int64_t> labels, double smoothing, T* rows,
                  std::int64_t classes) {
  const double off = smoothing / static_cast<double>(classes), on = 1 - smoothing;
  const std::size_t count = labels.size();
  for (std::size_t i = 0; i < count; ++i, rows += classes) {
    std::fill_n(rows, classes, static_cast<T>(off));
    const auto own = labels[i], other = labels[count - 1 - i];
    rows[own] = static_cast<T>(off + mix.lambda * on);
    // Not `+=` in T: both classes must come out the same in float and double up to one rounding.
    rows[other] = static_cast<T>(own == other ? off + on : off + (1 - mix.lambda) * on);
  }
}

}  // namespace

bool mixes(const DataOptions& options) {
  return options.mixup > 0 || options.cutmix > 0;
}

Mix draw_mix(const DataOptions& options, std::int64_t height, std::int64_t width, Random random) {
  Mix mix;
  if (!mixes(options)) return mix;
  mix.cut = options.cutmix > 0 && (options.mixup <= 0 || random.uniform() < 0.5);
  const double parameter = mix.cut ? options.cutmix : options.mixup;
  mix.lambda = random.beta(parameter, parameter);
  if (!mix.cut || mix.lambda == 1) return mix;
  // The box covers about 1-λ of the area around a uniform centre and is clipped by the image; λ
  // becomes the exact share.
  const double side = std::sqrt(1 - mix.lambda);
  const auto half = [&](std::int64_t n) {
    return static_cast<std::int64_t>(static_cast<double>(n) * side) / 2;
  };
  const auto y = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(height)));
  const auto x = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(width)));
  mix.top = std::max<std::int64_t>(y - half(height), 0);
  mix.bottom = std::min(y + half(height), height);
  mix.left = std::max<std::int64_t>(x - half(width), 0);
  mix.right = std::min(x + half(width), width);
  const std::int64_t area = (mix.bottom - mix.top) * (mix.right - mix.left);
  mix.lambda = 1 - static_cast<double>(area) / static_cast<double>(height * width);
  return mix;
}

void mix_images(const Mix& mix, const at::Tensor& images, std::int64_t first, std::int64_t last) {
  if (mix.lambda == 1) return;
  const std::int64_t c = images.size(1), h = images.size(2), w = images.size(3);
  if (images.scalar_type() == at::kFloat)
    mix_rows(mix, images.data_ptr<float>() + first * c * h * w, last - first, c, h, w);
  else
    mix_rows(mix, images.data_ptr<double>() + first * c * h * w, last - first, c, h, w);
}

void mix_targets(const Mix& mix, std::span<const std::int64_t> labels, double smoothing,
                 const at::Tensor& targets, std::int64_t first, std::int64_t last) {
  const std::int64_t classes = targets.size(1);
  const auto rows =
      labels.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(last - first));
  if (targets.scalar_type() == at::kFloat)
    fill_targets(mix, rows, smoothing, targets.data_ptr<float>() + first * classes, classes);
  else
    fill_targets(mix, rows, smoothing, targets.data_ptr<double>() + first * classes, classes);
}

}  // namespace m2mkd
