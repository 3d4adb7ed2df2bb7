#pragma once
// Which of the settings act on the images of a file, and how.

#include <m2mkd/data/options.hpp>
#include <m2mkd/data/transforms.hpp>
#include <m2mkd/store/image_file.hpp>

namespace m2mkd {

/// Side of what the network sees: the option, else that of the file (0: encoded, and not set).
std::int64_t network_side(const ImageFileInfo& info, const DataOptions& options);

/// From stored bytes to what the network sees. Where neither flag is on, pixels are only placed
/// (shifted and flipped) while they are normalised, which is much faster.
struct Pipeline {
  TransformOptions transform;
  bool transforms_training = false;    ///< train_transform() is needed
  bool transforms_evaluation = false;  ///< eval_transform() is needed
};
Pipeline pipeline(const ImageFileInfo& info, const DataOptions& options);

}  // namespace m2mkd
