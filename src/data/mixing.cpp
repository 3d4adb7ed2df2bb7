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
void mix_row(const Mix& mix, T* a, const T* b, std::int64_t channels, std::int64_t height,
             std::int64_t width) {
  const T own = static_cast<T>(mix.lambda), other = static_cast<T>(1 - mix.lambda);
  if (!mix.cut) {
    for (std::int64_t k = 0; k < channels * height * width; ++k) a[k] = own * a[k] + other * b[k];
    return;
  }
  for (std::int64_t c = 0; c < channels; ++c)
    for (std::int64_t y = mix.top; y < mix.bottom; ++y) {
      const std::int64_t line = (c * height + y) * width;
      std::copy(b + line + mix.left, b + line + mix.right, a + line + mix.left);
    }
}

template <class T>
void fill_target(const Mix& mix, std::int64_t own, std::int64_t other, double smoothing, T* row,
                 std::int64_t classes) {
  const double off = smoothing / static_cast<double>(classes), on = 1 - smoothing;
  std::fill_n(row, classes, static_cast<T>(off));
  row[own] = static_cast<T>(off + mix.lambda * on);
  // Not `+=` in T: both classes must come out the same in float and double up to one rounding.
  row[other] = static_cast<T>(own == other ? off + on : off + (1 - mix.lambda) * on);
}

}  // namespace

bool mixes(const DataOptions& options) {
  return options.mixup > 0 || options.cutmix > 0;
}

Mix draw_mix(const DataOptions& options, std::int64_t side, Random random) {
  Mix mix;
  if (!mixes(options)) return mix;
  mix.cut = options.cutmix > 0 && (options.mixup <= 0 || random.uniform() < 0.5);
  const double parameter = mix.cut ? options.cutmix : options.mixup;
  mix.lambda = random.beta(parameter, parameter);
  if (!mix.cut || mix.lambda == 1) return mix;
  // The box covers about 1-λ of the area around a uniform centre and is clipped by the image; λ
  // becomes the exact share.
  const double length = static_cast<double>(side) * std::sqrt(1 - mix.lambda);
  const std::int64_t half = static_cast<std::int64_t>(length) / 2;
  const auto y = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(side)));
  const auto x = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(side)));
  mix.top = std::max<std::int64_t>(y - half, 0);
  mix.bottom = std::min(y + half, side);
  mix.left = std::max<std::int64_t>(x - half, 0);
  mix.right = std::min(x + half, side);
  const std::int64_t area = (mix.bottom - mix.top) * (mix.right - mix.left);
  mix.lambda = 1 - static_cast<double>(area) / static_cast<double>(side * side);
  return mix;
}

void mix_mirrored(const Mix& mix, const at::Tensor& images, std::int64_t first, std::int64_t last) {
  if (mix.lambda == 1) return;
  const std::int64_t c = images.size(1), h = images.size(2), w = images.size(3);
  if (images.scalar_type() == at::kFloat)
    mix_rows(mix, images.data_ptr<float>() + first * c * h * w, last - first, c, h, w);
  else
    mix_rows(mix, images.data_ptr<double>() + first * c * h * w, last - first, c, h, w);
}

void mix_with(const Mix& mix, const at::Tensor& images, std::int64_t row,
              const at::Tensor& partner) {
  if (mix.lambda == 1) return;
  const std::int64_t c = images.size(1), h = images.size(2), w = images.size(3);
  const auto in = [&]<class T>(T* rows) {
    mix_row(mix, rows + row * c * h * w, partner.const_data_ptr<T>(), c, h, w);
  };
  if (images.scalar_type() == at::kFloat)
    in(images.data_ptr<float>());
  else
    in(images.data_ptr<double>());
}

void soft_target(const Mix& mix, std::int64_t own, std::int64_t other, double smoothing,
                 const at::Tensor& targets, std::int64_t row) {
  const std::int64_t classes = targets.size(1);
  const auto in = [&](auto* rows) {
    fill_target(mix, own, other, smoothing, rows + row * classes, classes);
  };
  if (targets.scalar_type() == at::kFloat)
    in(targets.data_ptr<float>());
  else
    in(targets.data_ptr<double>());
}

}  // namespace m2mkd
