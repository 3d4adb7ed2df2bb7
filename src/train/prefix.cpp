#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <m2mkd/train/prefix.hpp>

namespace m2mkd {

at::Tensor PrefixCache::output(const Chain& chain, int stages) {
  if (stages == 0) return images_;
  std::vector<const Stage*> key;
  for (int i = 0; i < stages; ++i) key.push_back(chain.stages[static_cast<std::size_t>(i)].get());
  if (const auto it = outputs_.find(key); it != outputs_.end()) return it->second;
  const at::Tensor before = output(chain, stages - 1);
  const c10::NoGradGuard no_grad;
  return outputs_[key] = chain.forward(before, ForwardContext{}, stages - 1, stages);
}

int common_stages(const Chain& a, const Chain& b) {
  int n = 0;
  while (n < std::min(a.size(), b.size()) &&
         a.stages[static_cast<std::size_t>(n)] == b.stages[static_cast<std::size_t>(n)])
    ++n;
  return n;
}

}  // namespace m2mkd
