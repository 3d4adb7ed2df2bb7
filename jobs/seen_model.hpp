#pragma once
// The model that a file's tensors make, found from their names and shapes and checked strictly.

#include <string>
#include <utility>
#include <vector>

#include <m2mkd/config/settings.hpp>
#include <m2mkd/nn/models.hpp>
#include <m2mkd/nn/weights.hpp>

namespace m2mkd {

/// Settings of a model as they were written: "teacher.heads" → "12".
using WrittenSettings = std::vector<std::pair<std::string, std::string>>;

struct SeenModel {
  ModelOptions options;
  ImageShape image;
  std::int64_t image_sides = 1;  ///< image.size and so many minus one beyond it fit the weights
  /// `heads`, `top_k` and `norm_eps` leave no trace in the weights, nor do pooling, activation and
  /// a NAC's side of images. Without a setting they are timm's and the published models' for such a
  /// width, which `guesses` says line by line; heads of another width stay unknown (1).
  bool heads_known = false;
  std::vector<std::string> guesses;
  bool whole = false;    ///< all stages are there, from the patches to the head
  NamedTensors tensors;  ///< "stages/<i>/<key>" in the model's own order
};

/// What the tensors say, overridden by the settings `<section>.<key>`. `depths`: blocks per stage,
/// or empty: as the names group them. Throws Error unless the tensors are exactly those of the
/// stages that the file has, stitches included.
SeenModel see_model(const StagedTensors& tensors, ModelName model, std::vector<std::int64_t> depths,
                    const std::string& section, const WrittenSettings& settings,
                    const std::string& source);

/// vmoe where there are experts.
ModelName name_model(const StagedTensors& tensors);

}  // namespace m2mkd
