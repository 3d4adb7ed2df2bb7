#include "pipeline.hpp"

namespace m2mkd {

std::int64_t network_side(const ImageFileInfo& info, const DataOptions& options) {
  return options.image_size > 0 ? options.image_size : info.height;
}

Pipeline pipeline(const ImageFileInfo& info, const DataOptions& options) {
  Pipeline p;
  TransformOptions& t = p.transform;
  t.size = network_side(info, options);
  t.random_resized_crop = options.random_resized_crop;
  t.crop_scale_min = options.crop_scale_min;
  t.crop_pad = options.crop_pad;
  t.flip = options.flip;
  t.rand_augment = parse_rand_augment(options.rand_augment);
  t.color_jitter = options.color_jitter;
  t.erasing = options.erasing;
  t.eval_crop = options.eval_crop;
  if (info.form == ImageForm::tensor) return p;

  const bool fits = info.form == ImageForm::pixels && info.height == t.size && info.width == t.size;
  p.transforms_evaluation = !fits || t.eval_crop < 1;
  // A padded crop of images that fit takes the place of evaluation's crop.
  const bool placed = fits && (t.crop_pad > 0 || t.eval_crop == 1);
  p.transforms_training =
      t.random_resized_crop || t.rand_augment.on() || t.color_jitter > 0 || !placed;
  return p;
}

}  // namespace m2mkd
