// Operations that look every value up in a table, one table per channel (reference/vmoe §5.3).

#include <algorithm>
#include <numeric>

#include <m2mkd/base/error.hpp>
#include <m2mkd/data/image.hpp>

namespace m2mkd {
namespace {

using Table = std::array<std::uint8_t, 256>;
using Histogram = std::array<std::int64_t, 256>;

std::uint8_t byte(std::int64_t value) {
  return static_cast<std::uint8_t>(std::clamp<std::int64_t>(value, 0, 255));
}

void look_up(Image& image, std::int64_t channel, const Table& table) {
  for (auto i = static_cast<std::size_t>(channel); i < image.pixels.size();
       i += static_cast<std::size_t>(image.channels))
    image.pixels[i] = table[image.pixels[i]];
}

// Every value v becomes f(v).
template <class F>
void map_values(Image& image, F f) {
  Table table;
  for (int v = 0; v < 256; ++v) table[static_cast<std::size_t>(v)] = byte(f(v));
  for (auto& pixel : image.pixels) pixel = table[pixel];
}

Histogram histogram(const Image& image, std::int64_t channel) {
  Histogram counts{};
  for (auto i = static_cast<std::size_t>(channel); i < image.pixels.size();
       i += static_cast<std::size_t>(image.channels))
    ++counts[image.pixels[i]];
  return counts;
}

}  // namespace

void autocontrast(Image& image) {
  for (std::int64_t c = 0; c < image.channels; ++c) {
    const Histogram counts = histogram(image, c);
    const auto used = [](std::int64_t n) { return n > 0; };
    const auto low = std::find_if(counts.begin(), counts.end(), used) - counts.begin();
    const auto high = 255 - (std::find_if(counts.rbegin(), counts.rend(), used) - counts.rbegin());
    if (high <= low) continue;
    const double scale = 255.0 / static_cast<double>(high - low);
    const double offset = static_cast<double>(-low) * scale;
    Table table;
    for (std::size_t v = 0; v < 256; ++v)
      table[v] = byte(static_cast<std::int64_t>(static_cast<double>(v) * scale + offset));
    look_up(image, c, table);
  }
}

void equalize(Image& image) {
  const std::int64_t pixels = image.height * image.width;
  for (std::int64_t c = 0; c < image.channels; ++c) {
    const Histogram counts = histogram(image, c);
    const std::int64_t last =
        *std::find_if(counts.rbegin(), counts.rend(), [](std::int64_t n) { return n > 0; });
    const std::int64_t step = (pixels - last) / 255;
    if (step == 0) continue;
    Table table;
    std::int64_t below = step / 2;
    for (std::size_t v = 0; v < 256; ++v) {
      table[v] = byte(below / step);
      below += counts[v];
    }
    look_up(image, c, table);
  }
}

void invert(Image& image) {
  for (auto& v : image.pixels) v = static_cast<std::uint8_t>(255 - v);
}

void posterize(Image& image, int bits) {
  require(bits >= 0 && bits <= 8, "posterize keeps 0 to 8 bits");
  const auto mask = static_cast<std::uint8_t>(0xFF00 >> bits);
  for (auto& v : image.pixels) v &= mask;
}

void solarize(Image& image, int threshold) {
  map_values(image, [=](int v) { return v < threshold ? v : 255 - v; });
}

void solarize_add(Image& image, int amount, int threshold) {
  map_values(image, [=](int v) { return v < threshold ? v + amount : v; });
}

}  // namespace m2mkd
