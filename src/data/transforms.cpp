// The training and the evaluation transform (reference/vmoe §5.1, §5.2).

#include <algorithm>
#include <cmath>
#include <utility>

#include <m2mkd/base/error.hpp>
#include <m2mkd/data/transforms.hpp>

namespace m2mkd {
namespace {

constexpr double narrowest = 3.0 / 4, widest = 4.0 / 3;  // width / height of a random resized crop

std::int64_t round_even(double x) {
  return static_cast<std::int64_t>(std::nearbyint(x));
}

// A place in [0, count).
std::int64_t draw_place(std::int64_t count, Random& random) {
  return static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(count)));
}

Box largest_central_part(std::int64_t height, std::int64_t width) {
  const auto h = static_cast<double>(height), w = static_cast<double>(width);
  Box box{0, 0, height, width};
  if (w / h < narrowest)
    box.height = std::min(round_even(w / narrowest), height);
  else if (w / h > widest)
    box.width = std::min(round_even(h * widest), width);
  box.top = (height - box.height) / 2;
  box.left = (width - box.width) / 2;
  return box;
}

Box draw_padded_crop(const Image& in, const TransformOptions& options, Random& random) {
  const std::int64_t pad = options.crop_pad, size = options.size;
  const std::int64_t down = in.height + 2 * pad - size, right = in.width + 2 * pad - size;
  if (down < 0 || right < 0)
    fail(
        "an image of {} x {} pixels, padded by {}, is smaller than the crop [{} x {}]: use "
        "random resized crops, or a smaller image size",
        in.height, in.width, pad, size, size);
  const std::int64_t top = draw_place(down + 1, random) - pad;
  const std::int64_t left = draw_place(right + 1, random) - pad;
  return {top, left, size, size};
}

void draw_and_cut(const Image& in, const TransformOptions& options, Random& random, Image& out,
                  Scratch& scratch) {
  const std::int64_t size = options.size;
  if (options.random_resized_crop) {
    const Box part = draw_resized_crop(in.height, in.width, options.crop_scale_min, random);
    resize_bicubic(in, part, size, size, {0, 0, size, size}, scratch.spare, out);
  } else if (options.crop_pad > 0) {
    crop(in, draw_padded_crop(in, options, random), out);
  } else {
    eval_transform(in, options, out, scratch);
  }
}

}  // namespace

Box draw_resized_crop(std::int64_t height, std::int64_t width, double scale_min, Random& random) {
  const auto area = static_cast<double>(height * width);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double target = random.uniform(scale_min, 1.0) * area;
    const double aspect = std::exp(random.uniform(std::log(narrowest), std::log(widest)));
    const std::int64_t w = round_even(std::sqrt(target * aspect));
    const std::int64_t h = round_even(std::sqrt(target / aspect));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    const std::int64_t top = draw_place(height - h + 1, random);
    const std::int64_t left = draw_place(width - w + 1, random);
    return {top, left, h, w};
  }
  return largest_central_part(height, width);
}

Jitter draw_jitter(double strength, Random& random) {
  Jitter result;
  std::swap(result.order[2], result.order[random.below(3)]);
  std::swap(result.order[1], result.order[random.below(2)]);
  for (auto& factor : result.factor) factor = random.uniform(1 - strength, 1 + strength);
  return result;
}

void jitter(const Jitter& jitter, Image& image) {
  constexpr std::array<void (*)(Image&, double), 3> blends{brightness, contrast, color};
  for (const int i : jitter.order)
    blends[static_cast<std::size_t>(i)](image, jitter.factor[static_cast<std::size_t>(i)]);
}

void train_transform(const Image& in, const TransformOptions& options, Random& random, Image& out,
                     Scratch& scratch) {
  const bool flip = random.uniform() < options.flip;
  draw_and_cut(in, options, random, out, scratch);
  if (flip) flip_horizontal(out);
  for (int layer = 0; layer < options.rand_augment.layers; ++layer) {
    const AugmentStep step = draw_augment(options.rand_augment, random);
    if (step.applied) augment(step, options.rand_augment.increasing, out, scratch);
  }
  if (!options.rand_augment.on() && options.color_jitter > 0)
    jitter(draw_jitter(options.color_jitter, random), out);
}

void eval_transform(const Image& in, const TransformOptions& options, Image& out,
                    Scratch& scratch) {
  const std::int64_t size = options.size;
  const auto shorter =
      static_cast<std::int64_t>(std::floor(static_cast<double>(size) / options.eval_crop));
  const std::int64_t least = std::min(in.height, in.width);
  const std::int64_t height = shorter * in.height / least, width = shorter * in.width / least;
  const auto central = [&](std::int64_t all) {
    return round_even(static_cast<double>(all - size) / 2);
  };
  const Box window{central(height), central(width), size, size};
  resize_bicubic(in, {0, 0, in.height, in.width}, height, width, window, scratch.spare, out);
}

}  // namespace m2mkd
