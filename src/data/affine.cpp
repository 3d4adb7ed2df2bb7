// Affine maps with bicubic sampling (reference/vmoe §5.3).

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numbers>

#include <m2mkd/data/image.hpp>

#include "each_channel.hpp"

namespace m2mkd {
namespace {

// Rounded to 15 decimals as Python's round(x, 15) does it: exactly, by way of the decimal text.
double rounded(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%.15f", x);
  return std::strtod(text, nullptr);
}

double cubic(double v0, double v1, double v2, double v3, double t) {
  const double p2 = -v0 + v2, p3 = 2 * (v0 - v1) + v2 - v3, p4 = -v0 + v1 - v2 + v3;
  return v1 + t * (p2 + t * (p3 + t * p4));
}

// The four places around one coordinate, clamped to [0, size), and the fraction between the middle
// two.
struct Neighbours {
  std::int64_t place[4];
  double fraction;

  // 0 <= x < size
  Neighbours(double x, std::int64_t size) {
    const double from_centre = x - 0.5;
    const std::int64_t below = from_centre < 0 ? -1 : static_cast<std::int64_t>(from_centre);
    fraction = from_centre - static_cast<double>(below);
    for (int k = 0; k < 4; ++k) place[k] = std::clamp<std::int64_t>(below + k - 1, 0, size - 1);
  }
};

template <int C>
void sample(const Image& in, const Neighbours& x, const Neighbours& y, std::uint8_t* out) {
  const auto along_row = [&](int k, int c) {
    const std::uint8_t* v = in.row(y.place[k]) + c;
    if (x.fraction == 0) return static_cast<double>(v[x.place[1] * C]);
    return cubic(v[x.place[0] * C], v[x.place[1] * C], v[x.place[2] * C], v[x.place[3] * C],
                 x.fraction);
  };
  each_channel<C>([&](int c) {
    // At fraction 0 the cubic is its second value exactly: shears and translations need one row.
    const double value = y.fraction == 0 ? along_row(1, c)
                                         : cubic(along_row(0, c), along_row(1, c), along_row(2, c),
                                                 along_row(3, c), y.fraction);
    out[c] = static_cast<std::uint8_t>(std::clamp(value, 0.0, 255.0));
  });
}

template <int C>
void map_image(const Image& in, const Affine& map, const std::uint8_t* fill, Image& out) {
  const auto width = static_cast<double>(in.width), height = static_cast<double>(in.height);
  for (std::int64_t row = 0; row < in.height; ++row) {
    std::uint8_t* to = out.row(row);
    const double v = static_cast<double>(row) + 0.5;
    for (std::int64_t column = 0; column < in.width; ++column, to += C) {
      const double u = static_cast<double>(column) + 0.5;
      const double x = map.a * u + map.b * v + map.c, y = map.d * u + map.e * v + map.f;
      if (x >= 0 && x < width && y >= 0 && y < height)
        sample<C>(in, Neighbours(x, in.width), Neighbours(y, in.height), to);
      else
        std::copy_n(fill, C, to);
    }
  }
}

}  // namespace

Affine shear_x(double factor) {
  return {.b = factor};
}
Affine shear_y(double factor) {
  return {.d = factor};
}
Affine translate_x(double pixels) {
  return {.c = pixels};
}
Affine translate_y(double pixels) {
  return {.f = pixels};
}

Affine rotation(double degrees, std::int64_t height, std::int64_t width) {
  // Through [0, 360), as Pillow does: the last bits of sine and cosine depend on it.
  double turn = std::fmod(degrees, 360.0);
  if (turn < 0) turn += 360;
  if (turn == 0) return {};
  const double angle = -(turn * (std::numbers::pi / 180)), x = static_cast<double>(width) / 2,
               y = static_cast<double>(height) / 2;
  const double cosine = rounded(std::cos(angle)), sine = rounded(std::sin(angle));
  return {cosine, sine, cosine * -x + sine * -y + x, -sine, cosine, -sine * -x + cosine * -y + y};
}

void affine(const Image& in, const Affine& map, const Colour& fill, Image& out) {
  out.reshape(in.height, in.width, in.channels);
  if (in.channels == 1) {
    const std::uint8_t grey = luma(fill[0], fill[1], fill[2]);
    map_image<1>(in, map, &grey, out);
  } else {
    map_image<3>(in, map, fill.data(), out);
  }
}

}  // namespace m2mkd
