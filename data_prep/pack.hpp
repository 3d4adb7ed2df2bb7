#pragma once
// Writes the two packed files of a source, or finds them already there.

#include "source.hpp"

namespace m2mkd::pack {

struct Outcome {
  std::filesystem::path path;
  ImageFileInfo info;
  bool written = false;  ///< false: the file already held exactly this source
};

/// DIR/train.h5 and DIR/test.h5. A file that holds the same images, labels, classes and name is
/// left alone unless `force`. The test file carries the mean and standard deviation of the training
/// images.
std::vector<Outcome> pack(const Source& source, const std::filesystem::path& folder, bool force);

/// "DIR/train.h5: 60000 images of 28 x 28 x 1, 10 classes, mean 0.2860, std 0.3530, digest …,
/// written"
std::string summary(const Outcome& outcome);

}  // namespace m2mkd::pack
