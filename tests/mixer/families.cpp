// The program's table with one line more. Linked in front of the program's own.

#include <m2mkd/nn/family.hpp>

#include "nac/family.hpp"
#include "vit/family.hpp"
#include "vmoe/family.hpp"

namespace m2mkd {

const Family& mixer_family();

const std::vector<const Family*>& families() {
  static const std::vector<const Family*> all{&vit_family(), &vmoe_family(), &nac_family(),
                                              &mixer_family()};
  return all;
}

}  // namespace m2mkd
