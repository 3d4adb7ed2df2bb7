#include <ATen/ATen.h>
#include <fmt/format.h>

#include <m2mkd/store/named_tensors.hpp>

namespace m2mkd {

std::string first_not_finite(const NamedTensors& tensors) {
  for (const auto& [name, tensor] : tensors) {
    if (!at::isFloatingType(tensor.scalar_type()) || tensor.numel() == 0) continue;
    const at::Tensor finite = tensor.detach().isfinite();
    if (finite.all().item<bool>()) continue;
    const at::Tensor bad = finite.flatten().logical_not();
    const auto place = bad.to(at::kByte).argmax().item<std::int64_t>();
    return fmt::format("{} has {} of {} values that are not finite, the first at {}", name,
                       bad.sum().item<std::int64_t>(), tensor.numel(), place);
  }
  return {};
}

}  // namespace m2mkd
