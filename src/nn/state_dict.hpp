#pragma once
// Where the weights are in what was given to torch.save.

#include <m2mkd/nn/weights.hpp>
#include <m2mkd/store/torch_file.hpp>

namespace m2mkd {

/// Tensors, depths and what was left out, by the rules of read_weights().
WeightFile find_weights(const TorchFile& file);

}  // namespace m2mkd
