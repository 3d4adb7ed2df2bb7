#include "sample_reader.hpp"

#include <type_traits>

#include <ATen/ATen.h>

#include <m2mkd/base/error.hpp>

namespace m2mkd {

SampleReader::SampleReader(Dataset dataset, const DataOptions& options, at::ScalarType dtype)
    : dataset_(std::move(dataset)),
      pipeline_(pipeline(dataset_.file().info(), options)),
      dtype_(dtype),
      normalise_(dataset_.mean(), dataset_.std(), dtype) {
  require(dtype == at::kFloat || dtype == at::kDouble, "loaders make float or double tensors");
}

at::Tensor SampleReader::images(std::int64_t count) const {
  return at::empty({count, dataset_.file().info().channels, side(), side()}, dtype_);
}

void SampleReader::read_augmented(std::int64_t i, const AugmentKey& key, const at::Tensor& images,
                                  std::int64_t row) {
  read_row(i, &key, images, row);
}

void SampleReader::read_plain(std::int64_t i, const at::Tensor& images, std::int64_t row) {
  read_row(i, nullptr, images, row);
}

void SampleReader::read_row(std::int64_t i, const AugmentKey* key, const at::Tensor& images,
                            std::int64_t row) {
  const std::int64_t offset = row * images.stride(0);
  if (dtype_ == at::kFloat)
    read(i, key, images.data_ptr<float>() + offset);
  else
    read(i, key, images.data_ptr<double>() + offset);
}

// Without a key as evaluation sees the sample.
template <class T>
void SampleReader::read(std::int64_t i, const AugmentKey* key, T* out) {
  const std::int64_t index = dataset_.index(i);
  const ImageFileInfo& info = dataset_.file().info();
  const bool transforms = key ? pipeline_.transforms_training : pipeline_.transforms_evaluation;
  const Placement placement = key && !transforms ? draw_placement(index, *key) : Placement{};
  if (info.form == ImageForm::tensor) return read_tensor(index, placement, out);

  const std::uint8_t* pixels = transforms ? read_transformed(index, key) : read_bytes(index);
  normalise_(pixels, side(), side(), placement, out);
  if (!key || pipeline_.transform.erasing <= 0) return;
  Random draws = random(index, *key, true);
  const Erasing erasing = draw_erasing(side(), side(), pipeline_.transform.erasing, draws);
  erase(erasing, info.channels, side(), side(), out, draws);
}

// One stream for everything up to the transformed bytes, one for erasing.
Random SampleReader::random(std::int64_t index, const AugmentKey& key, bool erasing) const {
  const auto a = static_cast<std::uint64_t>(index) |
                 static_cast<std::uint64_t>(key.repetition) << 48 |
                 static_cast<std::uint64_t>(erasing) << 63;
  return {key.seed, Purpose::augment, a, static_cast<std::uint32_t>(key.epoch)};
}

// The draws of train_transform() for flip and crop_pad.
Placement SampleReader::draw_placement(std::int64_t index, const AugmentKey& key) const {
  Placement p;
  if (pipeline_.transform.flip <= 0 && pipeline_.transform.crop_pad == 0) return p;
  Random draws = random(index, key, false);
  p.flip = draws.uniform() < pipeline_.transform.flip;
  if (const std::int64_t pad = pipeline_.transform.crop_pad; pad > 0) {
    const auto places = static_cast<std::uint64_t>(2 * pad + 1);
    p.dy = static_cast<std::int64_t>(draws.below(places)) - pad;
    p.dx = static_cast<std::int64_t>(draws.below(places)) - pad;
  }
  return p;
}

const std::uint8_t* SampleReader::read_bytes(std::int64_t index) {
  bytes_.resize(static_cast<std::size_t>(dataset_.file().image_bytes(index)));
  dataset_.file().read(index, std::as_writable_bytes(std::span(bytes_)));
  return bytes_.data();
}

const std::uint8_t* SampleReader::read_transformed(std::int64_t index, const AugmentKey* key) {
  const ImageFileInfo& info = dataset_.file().info();
  try {
    if (info.form == ImageForm::encoded) {
      read_bytes(index);
      decode_jpeg(std::as_bytes(std::span(bytes_)), image_);
    } else {
      image_.reshape(info.height, info.width, info.channels);
      dataset_.file().read(index, std::as_writable_bytes(std::span(image_.pixels)));
    }
    if (key) {
      Random draws = random(index, *key, false);
      train_transform(image_, pipeline_.transform, draws, shown_, scratch_);
    } else {
      eval_transform(image_, pipeline_.transform, shown_, scratch_);
    }
  } catch (const Error& problem) {
    fail("image {} of data set {} ({}): {}", index, info.name, info.split, problem.what());
  }
  return shown_.pixels.data();
}

template <class T>
void SampleReader::read_tensor(std::int64_t index, const Placement& placement, T* out) {
  const auto& info = dataset_.file().info();
  const std::int64_t height = info.height, width = info.width;
  const auto size = static_cast<std::size_t>(info.channels * height * width);
  if constexpr (std::is_same_v<T, float>) {
    if (placement.identity()) {
      dataset_.file().read(index, std::as_writable_bytes(std::span<float>(out, size)));
      return;
    }
  }
  floats_.resize(size);
  dataset_.file().read(index, std::as_writable_bytes(std::span(floats_)));
  place(
      info.channels, height, width, placement,
      [&](std::int64_t c, std::int64_t y, std::int64_t x) {
        return static_cast<T>(floats_[static_cast<std::size_t>((c * height + y) * width + x)]);
      },
      [](std::int64_t) { return T(0); }, out);
}

}  // namespace m2mkd
