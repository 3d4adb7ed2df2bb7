#pragma once
// The machine that this process is on.

#include <string>

namespace m2mkd {

/// "unknown" where the system does not tell.
std::string host_name();

}  // namespace m2mkd
