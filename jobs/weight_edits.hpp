#pragma once
// What may be changed in given weights so that they fit other data.

#include <string>

#include <m2mkd/nn/weights.hpp>

namespace m2mkd {

/// What was done to the tensors, by their name "stages/<i>/<key>".
using EditNotes = std::map<std::string, std::string>;

/// The position embedding for images of `image_size` pixels: bicubic on the square grid of patches,
/// align_corners = false, the class token's row kept (reference/vmoe §1.7); likewise a NAC's grid
/// of positions (reference/nac §1.2, where the published Python's own resizing never runs). Of
/// equal size it stays as it is; a NAC's tokens may leave a rim of the image. Throws Error when
/// there is none, its grid is no square, or the patches do not divide the image.
void resize_positions(StagedTensors& tensors, std::int64_t image_size, EditNotes& notes);

/// A head of `classes` rows: where the file has another one or none beside its last norm (a NAC's
/// scorer), an empty one, to be filled by its own rule. True when it was replaced.
bool replace_head(StagedTensors& tensors, std::int64_t classes, EditNotes& notes);

}  // namespace m2mkd
