// Blends of an image with a degenerate one (reference/vmoe §5.3, "Enhance").

#include <algorithm>
#include <cmath>

#include <m2mkd/data/image.hpp>

namespace m2mkd {
namespace {

std::uint8_t blend(int d, int v, float factor) {
  const float mixed = static_cast<float>(d) + factor * static_cast<float>(v - d);
  return static_cast<std::uint8_t>(std::clamp(mixed, 0.0f, 255.0f));
}

// The same `d` for every value.
void blend_with(Image& image, int d, double factor) {
  std::array<std::uint8_t, 256> table;
  for (int v = 0; v < 256; ++v)
    table[static_cast<std::size_t>(v)] = blend(d, v, static_cast<float>(factor));
  for (auto& v : image.pixels) v = table[v];
}

std::int64_t sum_of_luma(const Image& image) {
  std::int64_t sum = 0;
  if (image.channels == 1)
    for (const auto v : image.pixels) sum += v;
  else
    for (std::size_t i = 0; i < image.pixels.size(); i += 3)
      sum += luma(image.pixels[i], image.pixels[i + 1], image.pixels[i + 2]);
  return sum;
}

}  // namespace

void brightness(Image& image, double factor) {
  blend_with(image, 0, factor);
}

void contrast(Image& image, double factor) {
  const auto pixels = static_cast<double>(image.height * image.width);
  const double mean = static_cast<double>(sum_of_luma(image)) / pixels;
  blend_with(image, static_cast<int>(mean + 0.5), factor);
}

void color(Image& image, double factor) {
  if (image.channels == 1) return;
  const auto f = static_cast<float>(factor);
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) {
    std::uint8_t* v = image.pixels.data() + i;
    const int grey = luma(v[0], v[1], v[2]);
    for (int c = 0; c < 3; ++c) v[c] = blend(grey, v[c], f);
  }
}

void sharpness(const Image& in, double factor, Image& out) {
  out.reshape(in.height, in.width, in.channels);
  std::copy(in.pixels.begin(), in.pixels.end(), out.pixels.begin());  // the border stays
  const std::int64_t side = in.channels;
  const auto f = static_cast<float>(factor);
  for (std::int64_t y = 1; y + 1 < in.height; ++y) {
    const std::uint8_t *above = in.row(y - 1), *here = in.row(y), *below = in.row(y + 1);
    std::uint8_t* to = out.row(y);
    for (std::int64_t i = side; i < (in.width - 1) * side; ++i) {
      const auto three = [&](const std::uint8_t* v) { return v[i - side] + v[i] + v[i + side]; };
      const int sum = three(above) + three(here) + three(below) + 4 * here[i];
      to[i] = blend((2 * sum + 13) / 26, here[i], f);  // sum / 13, rounded
    }
  }
}

}  // namespace m2mkd
