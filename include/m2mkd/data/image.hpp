#pragma once
// Images as bytes, and the pixel operations of a training pipeline. Every operation gives the bytes
// of Pillow 9.4 (tests/data/pillow_test.py compares them); the arithmetic stands beside each.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace m2mkd {

/// An (H, W, C) picture, C interleaved: 1 is grey, 3 is RGB. Functions write into an existing Image
/// and resize its vector, so that buffers are reused. `in` and `out` are never the same object.
struct Image {
  std::int64_t height = 0, width = 0, channels = 0;
  std::vector<std::uint8_t> pixels;  ///< height * width * channels bytes

  /// Takes a shape; what the pixels hold afterwards is unspecified.
  void reshape(std::int64_t h, std::int64_t w, std::int64_t c);
  std::uint8_t* row(std::int64_t y) { return pixels.data() + y * width * channels; }
  const std::uint8_t* row(std::int64_t y) const { return pixels.data() + y * width * channels; }
};

/// Rows [top, top + height) and columns [left, left + width).
struct Box {
  std::int64_t top = 0, left = 0, height = 0, width = 0;
};

/// An RGB colour; a grey image takes its luma.
using Colour = std::array<std::uint8_t, 3>;

/// (19595 R + 38470 G + 7471 B + 32768) >> 16
constexpr std::uint8_t luma(unsigned r, unsigned g, unsigned b) {
  return static_cast<std::uint8_t>((19595 * r + 38470 * g + 7471 * b + 32768) >> 16);
}

// ---- JPEG

struct ImageSize {
  std::int64_t height = 0, width = 0;
};
/// From the header alone. Throws Error like decode_jpeg.
ImageSize jpeg_size(std::span<const std::byte> bytes);
/// To RGB: grey is replicated; CMYK and YCCK are taken as inverted (Adobe's habit) and multiplied
/// out. Throws Error where the file is damaged, ends early, or has more than 178 956 970 pixels;
/// what libjpeg calls a warning is let pass.
void decode_jpeg(std::span<const std::byte> bytes, Image& out);

// ---- Geometry

/// The part `box` of `in`. Where the box leaves the image the pixels are 0.
void crop(const Image& in, const Box& box, Image& out);
/// Mirrors left to right.
void flip_horizontal(Image& image);

/// Antialiased bicubic interpolation (reference/vmoe §5.3) of the part `from` of `in` to height x
/// width: `from` is cut out first, so pixels around it have no influence. `from` lies inside and is
/// not empty.
void resize_bicubic(const Image& in, const Box& from, std::int64_t height, std::int64_t width,
                    Image& out);
/// The same, but only the part `window` of the height x width result is computed and stored;
/// `between` is a buffer.
void resize_bicubic(const Image& in, const Box& from, std::int64_t height, std::int64_t width,
                    const Box& window, Image& between, Image& out);

/// Output pixel centre (x, y) shows the input at (a x + b y + c, d x + e y + f).
struct Affine {
  double a = 1, b = 0, c = 0, d = 0, e = 1, f = 0;
};
Affine shear_x(double factor);
Affine shear_y(double factor);
Affine translate_x(double pixels);  ///< to the left for positive values
Affine translate_y(double pixels);  ///< upwards for positive values
/// Counter-clockwise about the image's centre. The angle 0 gives the identity exactly.
Affine rotation(double degrees, std::int64_t height, std::int64_t width);
/// Bicubic (a = -1) sampling without antialiasing, same size; `fill` where the centre falls
/// outside.
void affine(const Image& in, const Affine& map, const Colour& fill, Image& out);

// ---- Values, each channel by itself

/// Stretches the values to 0..255; a channel of one value stays.
void autocontrast(Image& image);
/// Flattens the histogram.
void equalize(Image& image);
/// 255 - v
void invert(Image& image);
/// Keeps the highest `bits` bits, 0..8; 0 makes a black image.
void posterize(Image& image, int bits);
/// Inverts values at or above `threshold` (0..256).
void solarize(Image& image, int threshold);
/// Adds `amount` (>= 0) to values below `threshold`, capped at 255.
void solarize_add(Image& image, int amount, int threshold = 128);

// ---- Blends: d + factor (v - d) in float32, clamped, truncated. Factor 1 changes nothing.

/// d = 0
void brightness(Image& image, double factor);
/// d = the rounded mean of the luma, one constant
void contrast(Image& image, double factor);
/// d = the luma of the pixel; nothing happens to grey images
void color(Image& image, double factor);
/// d = the 3 x 3 smoothed image (weights 1, middle 5); the border is its own smooth
void sharpness(const Image& in, double factor, Image& out);

}  // namespace m2mkd
