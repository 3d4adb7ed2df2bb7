#pragma once
// Which images of a file are trained on, and which are split off.

#include <cstdint>
#include <span>
#include <vector>

namespace m2mkd {

enum class Split { train, validation, test };

/// The fixed rule: for every class its images in an order drawn from (Purpose::subset, class);
/// validation takes the first ones of each class in proportion, the training subset the next ones.
/// Independent of every seed. Sorted by index.
std::vector<std::int64_t> split_indices(std::span<const std::int32_t> labels,
                                        std::int64_t validation_images, std::int64_t train_images,
                                        Split split);

}  // namespace m2mkd
