// What a loader does to pixels: normalising, shifting, flipping.

#include "packed.hpp"

namespace m2mkd {
namespace {

using test::header;
using test::Packed;
using test::whole_step;

// Step 0 in file order as one batch.
Batch first_batch(const Packed& packed, std::int64_t batch, at::ScalarType dtype = at::kFloat,
                  std::int64_t step = 0) {
  LoaderOptions options;
  options.batch = options.micro_batch = batch;
  options.dtype = dtype;
  TrainLoader loader(packed.open(), packed.options, options);
  loader.start(step);
  return whole_step(loader);
}

// (N, C, H, W) of raw pixel values, as written by the test.
at::Tensor raw(std::int64_t count, const ImageFileInfo& info) {
  auto images = at::empty({count, info.height, info.width, info.channels}, at::kDouble);
  double* out = images.data_ptr<double>();
  for (std::int64_t i = 0; i < count; ++i)
    for (std::int64_t k = 0; k < info.channels * info.height * info.width; ++k)
      *out++ = test::pixel(i, k);
  return images.permute({0, 3, 1, 2}).contiguous();
}

at::Tensor normalised(const at::Tensor& pixels, const std::vector<double>& mean,
                      const std::vector<double>& std) {
  return (pixels / 255.0 - at::tensor(mean, at::kDouble).view({1, -1, 1, 1})) /
         at::tensor(std, at::kDouble).view({1, -1, 1, 1});
}

TEST(Pixels, AreNormalisedPerChannelIntoChannelsFirst) {
  const auto info = header(8, 3);
  Packed packed(info);
  packed.options.order = Order::sequential;
  const auto expected = normalised(raw(8, info), info.mean, info.std);
  // One rounding of the same double: 1e-15 and, in float, half a unit in the last place.
  const auto in_double = first_batch(packed, 8, at::kDouble).images;
  EXPECT_TRUE(at::allclose(in_double, expected, 0, 1e-14));
  EXPECT_TRUE(at::equal(first_batch(packed, 8).images, in_double.to(at::kFloat)));

  packed.options.mean = {0.1, 0.2, 0.3};
  packed.options.std = {1, 2, 3};
  EXPECT_TRUE(at::allclose(first_batch(packed, 8, at::kDouble).images,
                           normalised(raw(8, info), packed.options.mean, packed.options.std), 0,
                           1e-14));
}

TEST(Pixels, FlipMirrorsLeftToRight) {
  const auto info = header(6, 3);
  Packed packed(info);
  packed.options.order = Order::sequential;
  const auto plain = first_batch(packed, 6).images;
  packed.options.flip = 1;
  EXPECT_TRUE(at::equal(first_batch(packed, 6).images, plain.flip({3})));
}

TEST(Pixels, FlipActsWithItsProbabilityAnewEveryEpoch) {
  Packed packed(header(400));
  packed.options.order = Order::sequential;
  const auto plain = first_batch(packed, 400).images;
  packed.options.flip = 0.25;
  const auto flipped = [&](std::int64_t step) {
    const auto images = first_batch(packed, 400, at::kFloat, step).images;
    return images.ne(plain).flatten(1).any(1);
  };
  const auto first = flipped(0), second = flipped(1);
  const auto count = first.sum().item<std::int64_t>();
  EXPECT_GT(count, 65);  // 100 expected, standard deviation 8.7
  EXPECT_LT(count, 135);
  EXPECT_FALSE(at::equal(first, second));
}

// Every image must be a window of the padded original, at a place within the padding; black
// outside.
TEST(Pixels, CropIsAWindowOfTheZeroPaddedImage) {
  const auto info = header(64, 2);
  Packed packed(info);
  packed.options.order = Order::sequential;
  packed.options.crop_pad = 2;
  packed.options.flip = 0.5;
  const auto padded =
      normalised(at::constant_pad_nd(raw(64, info), {2, 2, 2, 2}), info.mean, info.std)
          .to(at::kFloat);
  const auto images = first_batch(packed, 64).images;
  std::vector<int> seen(50, 0);
  for (std::int64_t i = 0; i < 64; ++i) {
    int matches = 0;
    for (std::int64_t place = 0; place < 50; ++place) {
      auto window = padded[i].narrow(1, place / 2 / 5, 6).narrow(2, place / 2 % 5, 6);
      if (place % 2) window = window.flip({2});
      if (at::equal(images[i], window)) {
        ++matches;
        ++seen[static_cast<std::size_t>(place)];
      }
    }
    EXPECT_EQ(matches, 1) << "image " << i;
  }
  EXPECT_GT(std::count_if(seen.begin(), seen.end(), [](int n) { return n > 0; }), 25);
}

TEST(Tensors, ReachTheNetworkUntouched) {
  auto info = header(5, 3);
  info.form = ImageForm::tensor;
  info.mean = {0, 0, 0};
  info.std = {1, 1, 1};
  Packed packed(info);
  packed.options.order = Order::sequential;
  auto expected = at::empty({5, 3, 6, 6}, at::kFloat);
  for (std::int64_t k = 0; k < expected.numel(); ++k)
    expected.data_ptr<float>()[k] = test::element(k / 108, k % 108);
  EXPECT_TRUE(at::equal(first_batch(packed, 5).images, expected));
  EXPECT_TRUE(at::equal(first_batch(packed, 5, at::kDouble).images, expected.to(at::kDouble)));
  packed.options.flip = 1;
  EXPECT_TRUE(at::equal(first_batch(packed, 5).images, expected.flip({3})));
}

// The augmentation of an image depends on its place in the file alone, not on the subset or the
// batch it is in.
TEST(Pixels, AugmentationBelongsToTheImage) {
  Packed packed(header(64));
  packed.options.order = Order::sequential;
  packed.options.crop_pad = 2;
  packed.options.flip = 0.5;
  const auto all = first_batch(packed, 64).images;
  packed.options.train_images = 20;
  const auto subset = packed.open();
  const auto images = first_batch(packed, 20).images;
  for (std::int64_t i = 0; i < 20; ++i)
    EXPECT_TRUE(at::equal(images[i], all[subset.index(i)])) << i;
}

}  // namespace
}  // namespace m2mkd
