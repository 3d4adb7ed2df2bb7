#pragma once
// V-MoE: a ViT some of whose blocks have experts.

#include <m2mkd/nn/family.hpp>

namespace m2mkd {

/// Per block of the whole model: mixture of experts? Throws std::invalid_argument with the reason.
std::vector<bool> moe_blocks(const ModelOptions& options);

const Family& vmoe_family();

}  // namespace m2mkd
