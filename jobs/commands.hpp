#pragma once
#include "command.hpp"
// The table of commands.

namespace m2mkd {

const std::vector<Command>& commands();

}  // namespace m2mkd
