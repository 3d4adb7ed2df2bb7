#pragma once
// What this binary is: version, git commit, compiler, libraries. Stored in every output file.

#include <string>

namespace m2mkd {

struct BuildInfo {
  std::string version;  ///< "0.1.0"
  std::string git;  ///< commit, "-dirty" when the tree had changes; "unknown" outside a checkout
  std::string compiler;  ///< "GNU 12.2.0"
  std::string build_type;
  bool cuda = false;
};

const BuildInfo& build_info();

}  // namespace m2mkd
