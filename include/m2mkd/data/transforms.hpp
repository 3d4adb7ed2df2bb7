#pragma once
// From a decoded image to the square a network sees: random for training, fixed for evaluation.
// reference/vmoe §5.1 and §5.2. All randomness comes from a `Random` keyed by the sample, and every
// function takes exactly the draws it lists, in that order.

#include <array>
#include <cstdint>
#include <string_view>

#include <m2mkd/base/random.hpp>
#include <m2mkd/data/image.hpp>

namespace m2mkd {

/// RandAugment as timm writes it: "rand-m9-mstd0.5-inc1", or "none".
struct RandAugment {
  int layers = 0;         ///< n: operations per image, 2 where the text does not say; 0 is "none"
  double magnitude = 10;  ///< m: 0..10
  double deviation = 0;   ///< mstd: standard deviation of the magnitude, >= 0
  /// inc1: all operations get stronger with the magnitude. inc0: posterize and solarize get weaker,
  /// and the blends go from 0.1 to 1.9.
  bool increasing = false;

  bool on() const { return layers > 0; }
};
/// Throws std::invalid_argument that names the part which is wrong.
RandAugment parse_rand_augment(std::string_view text);

struct TransformOptions {
  std::int64_t size = 224;  ///< height and width of the result
  /// Training crop: a random part resized, or a random size x size window of the image padded by
  /// crop_pad zeros on each side (random_resized_crop is then off); neither: as in evaluation.
  bool random_resized_crop = false;
  double crop_scale_min = 0.08;  ///< smallest share of the image's area in a random resized crop
  std::int64_t crop_pad = 0;
  double flip = 0;  ///< probability
  RandAugment rand_augment;
  double color_jitter = 0;   ///< brightness, contrast, colour by U(1 - j, 1 + j), 0 <= j <= 1;
                             ///< only where rand_augment is off
  double erasing = 0;        ///< probability
  double eval_crop = 0.875;  ///< evaluation: size / (shorter side after resizing), in (0, 1]
};

/// Buffers of one thread, reused from image to image.
struct Scratch {
  Image spare;
};

/// Crop, flip, then RandAugment or colour jitter. `out` is size x size with the channels of `in`.
/// Draws: uniform (flip; taken always); then those of draw_resized_crop, or below (top) and below
/// (left) of the padded crop, or none; then draw_augment's per layer, or draw_jitter's, or none.
/// Throws Error where a padded image is smaller than the crop.
void train_transform(const Image& in, const TransformOptions& options, Random& random, Image& out,
                     Scratch& scratch);

/// Shorter side to floor(size / eval_crop), the other in proportion (floor), then the central
/// size x size window, its corner rounded half to even. No draws.
void eval_transform(const Image& in, const TransformOptions& options, Image& out, Scratch& scratch);

// ---- The parts, one by one

/// A part of a height x width image: area U(scale_min, 1) of it, log of width/height
/// U(log 3/4, log 4/3). Draws: up to 10 times uniform (area), uniform (aspect); for the first that
/// fits, below (top), below (left). If none fits: the largest central part with such an aspect.
Box draw_resized_crop(std::int64_t height, std::int64_t width, double scale_min, Random& random);

enum class AugmentOp {
  autocontrast,
  equalize,
  invert,
  rotate,
  posterize,
  solarize,
  solarize_add,
  color,
  contrast,
  brightness,
  sharpness,
  shear_x,
  shear_y,
  translate_x,
  translate_y
};
inline constexpr int augment_ops = 15;

/// One layer of RandAugment.
struct AugmentStep {
  AugmentOp op = AugmentOp::autocontrast;
  bool applied = false;   ///< probability 0.5
  double magnitude = 0;   ///< N(m, mstd) clipped to 0..10
  bool negative = false;  ///< direction of rotations, shears, translations and (inc1) blends
};
/// Draws, always all: below(15), uniform (applied), normal (magnitude), uniform (negative).
AugmentStep draw_augment(const RandAugment& options, Random& random);
/// Carries out `step` in place, as if applied. Parameters at each magnitude: reference/vmoe §5.1.
void augment(const AugmentStep& step, bool increasing, Image& image, Scratch& scratch);

/// Factors of brightness, contrast and colour, and the order in which they act.
struct Jitter {
  std::array<double, 3> factor{1, 1, 1};  ///< brightness, contrast, colour
  std::array<int, 3> order{0, 1, 2};
};
/// Draws: below(3), below(2) (order), uniform x 3 (factors).
Jitter draw_jitter(double strength, Random& random);
void jitter(const Jitter& jitter, Image& image);

/// Random erasing, done after normalisation.
struct Erasing {
  bool on = false;
  Box box;
};
/// Area U(0.02, 1/3) of height x width, log of height/width U(log 0.3, log 1/0.3), both sides
/// smaller than the image's. Draws: uniform (on; taken always); if on, up to 10 times uniform
/// (area), uniform (aspect), and for the first that fits below (top), below (left); else it is off.
Erasing draw_erasing(std::int64_t height, std::int64_t width, double probability, Random& random);
/// Fills the box of a (C, H, W) image with N(0, 1). Draws: normal per value, in (C, H, W) order.
template <class T>
void erase(const Erasing& erasing, std::int64_t channels, std::int64_t height, std::int64_t width,
           T* image, Random& random);
extern template void erase(const Erasing&, std::int64_t, std::int64_t, std::int64_t, float*,
                           Random&);
extern template void erase(const Erasing&, std::int64_t, std::int64_t, std::int64_t, double*,
                           Random&);

}  // namespace m2mkd
