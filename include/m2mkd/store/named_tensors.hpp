#pragma once
// Tensors under their names, as files of weights hold them.

#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

namespace m2mkd {

/// Name and tensor, in order. Names are unique.
using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

/// Is it a weight of a network by its name in module files and checkpoints, "stages/<i>/<key>" or
/// "shared/<key>"?
bool is_weight(const std::string& name);

/// The digest that a file of exactly these tensors has, without writing one.
std::string tensors_digest(const NamedTensors& tensors);

/// "stages/0/norm.weight has 3 of 64 values that are not finite, the first at 7"; empty where all
/// are.
std::string first_not_finite(const NamedTensors& tensors);

}  // namespace m2mkd
