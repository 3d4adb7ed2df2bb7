#pragma once
// Whether what was printed on standard output has arrived.

#include <string>

namespace m2mkd {

/// Empty, or what is wrong with standard output: a full disk, a closed pipe. It is told once.
std::string output_problem();

}  // namespace m2mkd
