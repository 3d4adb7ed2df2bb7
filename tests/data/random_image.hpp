#pragma once
// Images for tests, and whether two are the same.

#include <gtest/gtest.h>

#include <m2mkd/base/random.hpp>
#include <m2mkd/data/image.hpp>

namespace m2mkd {

inline bool operator==(const Image& a, const Image& b) {
  return a.height == b.height && a.width == b.width && a.channels == b.channels &&
         a.pixels == b.pixels;
}

namespace test {

inline Image constant_image(std::int64_t height, std::int64_t width, std::int64_t channels,
                            std::uint8_t value) {
  Image image;
  image.reshape(height, width, channels);
  for (auto& v : image.pixels) v = value;
  return image;
}

inline Image random_image(std::int64_t height, std::int64_t width, std::int64_t channels,
                          std::uint64_t key = 0) {
  Image image;
  image.reshape(height, width, channels);
  Random random(1, Purpose::test, key);
  for (auto& v : image.pixels) v = static_cast<std::uint8_t>(random.below(256));
  return image;
}

}  // namespace test
}  // namespace m2mkd
