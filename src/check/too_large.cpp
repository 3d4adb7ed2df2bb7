#include "too_large.hpp"

#include <fmt/format.h>

namespace m2mkd {

std::optional<Finding> too_large(const std::string& gate, const std::string& subject, double bytes,
                                 double memory) {
  if (bytes <= memory) return std::nullopt;
  return Finding{gate, subject, Verdict::skipped,
                 fmt::format("needs about {:.1f} GB on one rank, which has {:.1f} GB", bytes * 1e-9,
                             memory * 1e-9)};
}

}  // namespace m2mkd
