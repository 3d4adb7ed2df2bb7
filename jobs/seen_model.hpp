#pragma once
// The model that a file's tensors make, found from their names and shapes and checked strictly.

#include <string>
#include <utility>
#include <vector>

#include <m2mkd/config/settings.hpp>
#include <m2mkd/nn/models.hpp>

#include "tensor_names.hpp"

namespace m2mkd {

using StagedTensors = std::vector<std::pair<StagedName, at::Tensor>>;

struct SeenModel {
  ModelOptions
      options;  ///< `heads` and `top_k` leave no trace in the weights: 1 unless a setting says more
  ImageShape image;
  bool whole = false;    ///< all stages are there, from the patches to the head
  NamedTensors tensors;  ///< "stages/<i>/<key>" in the model's own order
};

/// What the tensors say, overridden by the settings `<section>.<key>`. `depths`: blocks per stage,
/// or empty: as the names group them. Throws Error unless the tensors are exactly those of the
/// stages that the file has, stitches included.
SeenModel see_model(const StagedTensors& tensors, ModelName model, std::vector<std::int64_t> depths,
                    const std::string& section,
                    const std::vector<std::pair<std::string, std::string>>& settings,
                    const std::string& source);

}  // namespace m2mkd
