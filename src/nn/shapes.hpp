#pragma once
// Extents of a file's tensors by key.

#include <algorithm>
#include <map>
#include <optional>
#include <string>

#include <m2mkd/nn/weights.hpp>

namespace m2mkd {

/// Whatever the stage. Extents that are not there count as 1: the strict check says the rest.
class Shapes {
 public:
  explicit Shapes(const StagedTensors& tensors) : tensors_(tensors) {}

  /// Extent `dim` of the first tensor whose key ends in `key`; nothing when there is none.
  std::optional<std::int64_t> find(const std::string& key, std::int64_t dim) const {
    for (const auto& [name, tensor] : tensors_)
      if (name.key.ends_with(key))
        return dim < tensor.dim() ? std::max<std::int64_t>(1, tensor.size(dim)) : 1;
    return std::nullopt;
  }
  std::int64_t get(const std::string& key, std::int64_t dim, std::int64_t otherwise) const {
    return find(key, dim).value_or(otherwise);
  }

 private:
  const StagedTensors& tensors_;
};

inline std::map<int, StagedTensors> by_stage(const StagedTensors& tensors) {
  std::map<int, StagedTensors> stages;
  for (const auto& tensor : tensors) stages[tensor.first.stage].push_back(tensor);
  return stages;
}

}  // namespace m2mkd
