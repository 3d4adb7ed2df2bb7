#include "sample_reader.hpp"

#include <type_traits>

#include <ATen/ATen.h>

#include <m2mkd/base/error.hpp>

#include "file_check.hpp"

namespace m2mkd {

namespace {

// out[c, y, x] = value(c, input position) where that lies inside the image, else outside(c).
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

}  // namespace

SampleReader::SampleReader(Dataset dataset, const DataOptions& options, at::ScalarType dtype)
    : dataset_(std::move(dataset)),
      channels_(dataset_.file().info().channels),
      height_(dataset_.file().info().height),
      width_(dataset_.file().info().width),
      dtype_(dtype) {
  require(dtype == at::kFloat || dtype == at::kDouble, "loaders make float or double tensors");
  const auto& info = dataset_.file().info();
  if (info.is_tensor) {
    floats_.resize(static_cast<std::size_t>(channels_ * height_ * width_));
    return;
  }
  pixels_.resize(static_cast<std::size_t>(channels_ * height_ * width_));
  const auto& mean = pixel_mean(info, options);
  const auto& std = pixel_std(info, options);
  require(std::ssize(mean) == channels_ && std::ssize(std) == channels_,
          "one mean and one standard deviation per channel");
  auto table = at::empty({channels_, 256}, at::kDouble);
  double* entry = table.data_ptr<double>();
  for (std::size_t c = 0; c < mean.size(); ++c)
    for (int v = 0; v < 256; ++v) *entry++ = (v / 255.0 - mean[c]) / std[c];
  table_ = table.to(dtype);
}

at::Tensor SampleReader::images(std::int64_t count) const {
  return at::empty({count, channels_, height_, width_}, dtype_);
}

void SampleReader::read(std::int64_t i, const Placement& placement, const at::Tensor& images,
                        std::int64_t row) {
  const std::int64_t index = dataset_.index(i), offset = row * channels_ * height_ * width_;
  const auto into = [&](auto* out) {
    if (dataset_.file().info().is_tensor)
      read_tensor(index, placement, out + offset);
    else
      read_pixels(index, placement, out + offset);
  };
  if (dtype_ == at::kFloat)
    into(images.data_ptr<float>());
  else
    into(images.data_ptr<double>());
}

template <class T>
void SampleReader::read_pixels(std::int64_t index, const Placement& placement, T* out) {
  dataset_.file().read(index, std::as_writable_bytes(std::span(pixels_)));
  const std::uint8_t* in = pixels_.data();
  const T* table = table_.data_ptr<T>();
  const std::int64_t area = height_ * width_, channels = channels_;
  if (placement.identity()) {  // the common case, a plain gather per channel
    for (std::int64_t c = 0; c < channels; ++c, table += 256)
      for (std::int64_t k = 0; k < area; ++k) *out++ = table[in[k * channels + c]];
    return;
  }
  place(
      channels_, height_, width_, placement,
      [&](std::int64_t c, std::int64_t y, std::int64_t x) {
        return table[c * 256 + in[(y * width_ + x) * channels + c]];
      },
      [&](std::int64_t c) { return table[c * 256]; }, out);
}

template <class T>
void SampleReader::read_tensor(std::int64_t index, const Placement& placement, T* out) {
  const std::span<float> whole(floats_);
  if constexpr (std::is_same_v<T, float>) {
    if (placement.identity()) {
      dataset_.file().read(index, std::as_writable_bytes(std::span<float>(out, whole.size())));
      return;
    }
  }
  dataset_.file().read(index, std::as_writable_bytes(whole));
  place(
      channels_, height_, width_, placement,
      [&](std::int64_t c, std::int64_t y, std::int64_t x) {
        return static_cast<T>(floats_[static_cast<std::size_t>((c * height_ + y) * width_ + x)]);
      },
      [](std::int64_t) { return T(0); }, out);
}

}  // namespace m2mkd
