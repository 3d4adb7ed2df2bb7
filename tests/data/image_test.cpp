// Facts about pixel operations that hold without a reference; pillow_test.py compares all of them
// with Pillow.

#include <gmock/gmock.h>

#include <m2mkd/base/error.hpp>

#include "random_image.hpp"

namespace m2mkd {
namespace {

using test::constant_image;
using test::random_image;
using testing::Each;
using testing::HasSubstr;
using testing::Throws;

constexpr Colour kFill{124, 116, 104};

TEST(Image, CropsInsideAndFillsOutsideWithZeros) {
  const Image in = random_image(5, 7, 3);
  Image out;
  for (std::int64_t top = -8; top < 8; ++top)
    for (std::int64_t left = -9; left < 9; ++left) {
      crop(in, {top, left, 4, 6}, out);
      for (std::int64_t y = 0; y < 4; ++y)
        for (std::int64_t i = 0; i < 18; ++i) {
          const std::int64_t from_y = top + y, from_x = left + i / 3;
          const bool inside = from_y >= 0 && from_y < 5 && from_x >= 0 && from_x < 7;
          ASSERT_EQ(out.row(y)[i], inside ? in.row(from_y)[from_x * 3 + i % 3] : 0);
        }
    }
}

TEST(Image, FlippingTwiceIsNothing) {
  for (const std::int64_t channels : {1, 3})
    for (const std::int64_t width : {1, 2, 7}) {
      const Image in = random_image(3, width, channels);
      Image out = in;
      flip_horizontal(out);
      EXPECT_EQ(out.row(1)[0], in.row(1)[(width - 1) * channels]);
      EXPECT_EQ(out == in, width == 1);
      flip_horizontal(out);
      EXPECT_TRUE(out == in);
    }
}

TEST(Image, ResizingToASmallerSizeGivesTheKnownBytes) {
  Image ramp, out;
  ramp.reshape(1, 8, 1);
  for (int x = 0; x < 8; ++x)
    ramp.pixels[static_cast<std::size_t>(x)] = static_cast<std::uint8_t>(x * x * 5);
  resize_bicubic(ramp, {0, 0, 1, 8}, 1, 3, out);
  EXPECT_THAT(out.pixels, testing::ElementsAre(5, 64, 187));
  resize_bicubic(ramp, {0, 2, 1, 3}, 1, 6, out);
  EXPECT_THAT(out.pixels, testing::ElementsAre(18, 24, 37, 54, 74, 83));
}

TEST(Image, ResizingAWindowIsAPartOfResizingAll) {
  const Image in = random_image(41, 30, 3);
  Image all, part, between, expected;
  resize_bicubic(in, {3, 2, 37, 25}, 23, 52, all);
  const Box window{4, 9, 15, 40};
  resize_bicubic(in, {3, 2, 37, 25}, 23, 52, window, between, part);
  crop(all, window, expected);
  EXPECT_TRUE(part == expected);
}

TEST(Image, ConstantImagesStayConstant) {
  for (const std::int64_t channels : {1, 3})
    for (const int value : {0, 1, 77, 254, 255}) {
      const auto v = static_cast<std::uint8_t>(value);
      Image image = constant_image(9, 14, channels, v), out;
      resize_bicubic(image, {1, 2, 7, 11}, 33, 5, out);
      EXPECT_THAT(out.pixels, Each(v));
      sharpness(image, 1.9, out);
      EXPECT_THAT(out.pixels, Each(v));
      autocontrast(image);
      equalize(image);
      color(image, 0.1);
      contrast(image, 1.9);
      EXPECT_THAT(image.pixels, Each(v));
    }
}

TEST(Image, QuarterTurnsMovePixelsWithoutChangingThem) {
  const Image in = random_image(6, 6, 3);
  Image quarter, back;
  affine(in, rotation(90, 6, 6), kFill, quarter);
  for (std::int64_t y = 0; y < 6; ++y)
    for (std::int64_t x = 0; x < 6; ++x)
      ASSERT_EQ(quarter.row(5 - x)[y * 3], in.row(y)[x * 3]);  // counter-clockwise
  affine(quarter, rotation(270, 6, 6), kFill, back);
  EXPECT_TRUE(back == in);
  affine(in, rotation(-0.0, 6, 6), kFill, back);
  EXPECT_TRUE(back == in);
}

TEST(Image, TranslatedPixelsLeaveTheFillColourOrItsLuma) {
  Image out;
  affine(constant_image(2, 4, 3, 9), translate_x(-1), kFill, out);
  EXPECT_THAT(out.pixels, testing::ElementsAre(124, 116, 104, 9, 9, 9, 9, 9, 9, 9, 9, 9,  //
                                               124, 116, 104, 9, 9, 9, 9, 9, 9, 9, 9, 9));
  affine(constant_image(2, 3, 1, 9), translate_y(1), kFill, out);
  EXPECT_THAT(out.pixels, testing::ElementsAre(9, 9, 9, 117, 117, 117));
}

TEST(Image, ValuesAreMappedAsNamed) {
  Image image = constant_image(1, 4, 1, 0);
  const std::vector<std::uint8_t> start{0, 100, 128, 255};
  const auto after = [&](auto&& change) {
    image.pixels = start;
    change(image);
    return image.pixels;
  };
  using testing::ElementsAre;
  EXPECT_THAT(after(invert), ElementsAre(255, 155, 127, 0));
  EXPECT_THAT(after([](Image& i) { posterize(i, 0); }), ElementsAre(0, 0, 0, 0));
  EXPECT_THAT(after([](Image& i) { posterize(i, 1); }), ElementsAre(0, 0, 128, 128));
  EXPECT_THAT(after([](Image& i) { posterize(i, 8); }), ElementsAre(0, 100, 128, 255));
  EXPECT_THAT(after([](Image& i) { solarize(i, 128); }), ElementsAre(0, 100, 127, 0));
  EXPECT_THAT(after([](Image& i) { solarize(i, 256); }), ElementsAre(0, 100, 128, 255));
  EXPECT_THAT(after([](Image& i) { solarize_add(i, 110); }), ElementsAre(110, 210, 128, 255));
  EXPECT_THAT(after([](Image& i) { brightness(i, 1.5); }), ElementsAre(0, 150, 192, 255));
  EXPECT_THAT(after([](Image& i) { contrast(i, 0); }), ElementsAre(121, 121, 121, 121));
  EXPECT_THAT(after([](Image& i) { color(i, 0); }), ElementsAre(0, 100, 128, 255));
}

TEST(Image, WhatIsNoJpegIsRefusedWithAReason) {
  const auto bytes = [](const std::vector<std::uint8_t>& v) { return std::as_bytes(std::span(v)); };
  const std::vector<std::uint8_t> png{0x89, 'P', 'N', 'G', 13, 10, 26, 10}, cut{0xFF, 0xD8, 0xFF};
  Image out;
  EXPECT_THAT([&] { decode_jpeg(bytes(png), out); },
              testing::ThrowsMessage<Error>(HasSubstr("Not a JPEG file")));
  EXPECT_THAT([&] { jpeg_size(bytes(cut)); },
              testing::ThrowsMessage<Error>(HasSubstr("the data end too early")));
  EXPECT_THAT([&] { decode_jpeg({}, out); }, Throws<Error>());
}

}  // namespace
}  // namespace m2mkd
