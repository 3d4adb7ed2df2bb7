#pragma once
// The images of a few-shot task, drawn as the published Python draws them (reference/vmoe §5.5),
// number for number: classes by CPython's random, images by NumPy's legacy RandomState.

#include <cstdint>
#include <span>
#include <vector>

namespace m2mkd {

struct FewShotTask {
  std::vector<std::int64_t> classes;  ///< the chosen classes, ascending
  std::vector<std::int64_t> images;   ///< indices into the labels given, in the task's order
  std::vector<std::int64_t> labels;   ///< of each image: its class's place in `classes`
};

/// `ways` classes out of `classes`; of each, `per_class` images (fewer where it has fewer) of those
/// with its label in `labels`; all in a random order. Tasks of one seed share their classes, and on
/// the same labels a larger `per_class` holds all images of a smaller one (so that the published
/// CIFAR validation set, cut from the training images, contains the training set).
/// `seed` is 1 … 2^32 - 1. 0 is refused with ConfigError: the published Python takes it for "no
/// seed", and training and validation would draw different classes. So are more ways than classes.
FewShotTask draw_few_shot(std::span<const std::int32_t> labels, std::int64_t classes,
                          std::int64_t ways, std::int64_t per_class, std::int64_t seed);

/// random.Random(seed).sample(range(n), k) of CPython 3.11, in its order. 0 <= k <= n < 2^32.
std::vector<std::int64_t> python_sample(std::int64_t n, std::int64_t k, std::uint32_t seed);

}  // namespace m2mkd
