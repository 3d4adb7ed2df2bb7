#include "sample_reader.hpp"

#include <type_traits>

#include <ATen/ATen.h>

#include <m2mkd/base/error.hpp>

#include "file_check.hpp"

namespace m2mkd {

namespace {

TransformOptions transform_options(const DataOptions& data, const ImageFileInfo& info) {
  TransformOptions t;
  t.size = network_side(info, data);
  t.random_resized_crop = data.random_resized_crop;
  t.crop_scale_min = data.crop_scale_min;
  t.crop_pad = data.crop_pad;
  t.flip = data.flip;
  t.rand_augment = parse_rand_augment(data.rand_augment);
  t.color_jitter = data.color_jitter;
  t.erasing = data.erasing;
  t.eval_crop = data.eval_crop;
  return t;
}

// Does evaluation resize, or only take the stored pixels?
bool resizes(const TransformOptions& t, const ImageFileInfo& info) {
  if (info.form == ImageForm::tensor) return false;
  return info.form == ImageForm::encoded || info.height != t.size || info.width != t.size ||
         t.eval_crop < 1;
}

bool augments(const TransformOptions& t, const ImageFileInfo& info) {
  if (t.random_resized_crop || t.rand_augment.on() || t.color_jitter > 0) return true;
  return resizes(t, info) && !(t.crop_pad > 0 && info.height == t.size && info.width == t.size);
}

}  // namespace

SampleReader::SampleReader(Dataset dataset, const DataOptions& options, at::ScalarType dtype)
    : dataset_(std::move(dataset)),
      transform_(transform_options(options, dataset_.file().info())),
      train_transforms_(augments(transform_, dataset_.file().info())),
      eval_transforms_(resizes(transform_, dataset_.file().info())),
      dtype_(dtype),
      normalise_(pixel_mean(dataset_.file().info(), options),
                 pixel_std(dataset_.file().info(), options), dtype) {
  require(dtype == at::kFloat || dtype == at::kDouble, "loaders make float or double tensors");
}

at::Tensor SampleReader::images(std::int64_t count) const {
  return at::empty({count, dataset_.file().info().channels, side(), side()}, dtype_);
}

void SampleReader::read_augmented(std::int64_t i, const AugmentKey& key, const at::Tensor& images,
                                  std::int64_t row) {
  const std::int64_t offset = row * images.stride(0);
  if (dtype_ == at::kFloat)
    read(i, &key, images.data_ptr<float>() + offset);
  else
    read(i, &key, images.data_ptr<double>() + offset);
}

void SampleReader::read_plain(std::int64_t i, const at::Tensor& images, std::int64_t row) {
  const std::int64_t offset = row * images.stride(0);
  if (dtype_ == at::kFloat)
    read(i, nullptr, images.data_ptr<float>() + offset);
  else
    read(i, nullptr, images.data_ptr<double>() + offset);
}

// Without a key as evaluation sees the sample.
template <class T>
void SampleReader::read(std::int64_t i, const AugmentKey* key, T* out) {
  const std::int64_t index = dataset_.index(i);
  const ImageFileInfo& info = dataset_.file().info();
  const bool transforms = key ? train_transforms_ : eval_transforms_;
  const Placement placement = key && !transforms ? draw_placement(index, *key) : Placement{};
  if (info.form == ImageForm::tensor) return read_tensor(index, placement, out);

  read_image(index);
  if (transforms && key) {
    Random draws = random(index, *key, false);
    train_transform(image_, transform_, draws, shown_, scratch_);
  } else if (transforms) {
    eval_transform(image_, transform_, shown_, scratch_);
  }
  normalise_((transforms ? shown_ : image_).pixels.data(), side(), side(), placement, out);
  if (!key || transform_.erasing <= 0) return;
  Random draws = random(index, *key, true);
  const Erasing erasing = draw_erasing(side(), side(), transform_.erasing, draws);
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
  if (transform_.flip <= 0 && transform_.crop_pad == 0) return p;
  Random draws = random(index, key, false);
  p.flip = draws.uniform() < transform_.flip;
  if (const std::int64_t pad = transform_.crop_pad; pad > 0) {
    const auto places = static_cast<std::uint64_t>(2 * pad + 1);
    p.dy = static_cast<std::int64_t>(draws.below(places)) - pad;
    p.dx = static_cast<std::int64_t>(draws.below(places)) - pad;
  }
  return p;
}

// Fills image_.
void SampleReader::read_image(std::int64_t index) {
  const ImageFile& file = dataset_.file();
  const ImageFileInfo& info = file.info();
  if (info.form == ImageForm::pixels) {
    image_.reshape(info.height, info.width, info.channels);
    file.read(index, std::as_writable_bytes(std::span(image_.pixels)));
    return;
  }
  bytes_.resize(static_cast<std::size_t>(file.image_bytes(index)));
  file.read(index, bytes_);
  try {
    decode_jpeg(bytes_, image_);
  } catch (const Error& problem) {
    fail("image {} of data set {} ({}): {}", index, info.name, info.split, problem.what());
  }
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
