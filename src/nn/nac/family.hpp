#pragma once
// Neural Attentive Circuits.

#include <m2mkd/nn/family.hpp>

namespace m2mkd {

const Family& nac_family();

}  // namespace m2mkd
