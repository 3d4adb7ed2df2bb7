// The table of families. A program or a test that knows a further one has this function of its own.

#include <m2mkd/nn/family.hpp>

#include "nac/family.hpp"
#include "vit/family.hpp"
#include "vmoe/family.hpp"

namespace m2mkd {

const std::vector<const Family*>& families() {
  static const std::vector<const Family*> all{&vit_family(), &vmoe_family(), &nac_family()};
  return all;
}

}  // namespace m2mkd
