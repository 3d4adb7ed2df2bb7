#include <climits>

#include <unistd.h>

#include <m2mkd/base/host.hpp>

namespace m2mkd {

std::string host_name() {
  std::string name(HOST_NAME_MAX + 1, '\0');
  if (gethostname(name.data(), name.size()) != 0) return "unknown";
  return name.c_str();
}

}  // namespace m2mkd
