#include <algorithm>
#include <cstring>
#include <utility>

#include <m2mkd/base/error.hpp>
#include <m2mkd/data/image.hpp>

namespace m2mkd {

void Image::reshape(std::int64_t h, std::int64_t w, std::int64_t c) {
  require(h > 0 && w > 0 && (c == 1 || c == 3), "an image is not empty and has 1 or 3 channels");
  height = h;
  width = w;
  channels = c;
  pixels.resize(static_cast<std::size_t>(h * w * c));
}

void crop(const Image& in, const Box& box, Image& out) {
  out.reshape(box.height, box.width, in.channels);
  const std::int64_t first = std::clamp<std::int64_t>(-box.left, 0, box.width);
  const std::int64_t last = std::clamp<std::int64_t>(in.width - box.left, first, box.width);
  const auto bytes = [&](std::int64_t columns) {
    return static_cast<std::size_t>(columns * in.channels);
  };
  for (std::int64_t y = 0; y < box.height; ++y) {
    const std::int64_t source = box.top + y;
    std::uint8_t* to = out.row(y);
    if (source < 0 || source >= in.height || first == last) {
      std::memset(to, 0, bytes(box.width));
      continue;
    }
    std::memset(to, 0, bytes(first));
    std::memcpy(to + bytes(first), in.row(source) + (box.left + first) * in.channels,
                bytes(last - first));
    std::memset(to + bytes(last), 0, bytes(box.width - last));
  }
}

void flip_horizontal(Image& image) {
  const std::int64_t channels = image.channels;
  for (std::int64_t y = 0; y < image.height; ++y) {
    std::uint8_t* left = image.row(y);
    for (auto* right = left + (image.width - 1) * channels; left < right;
         left += channels, right -= channels)
      std::swap_ranges(left, left + channels, right);
  }
}

}  // namespace m2mkd
