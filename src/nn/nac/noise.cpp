#include "noise.hpp"

#include <ATen/ATen.h>
#include <ATen/Context.h>

#include <m2mkd/base/random.hpp>

namespace m2mkd::nac {
namespace {

at::Generator generator(const at::TensorOptions& tensor, Draw draw, std::uint32_t layer,
                        std::uint64_t index, const ForwardContext& context) {
  Random random(context.seed, Purpose::noise, context.step,
                16 * layer + static_cast<std::uint32_t>(draw));
  random.seek(2 * index);
  const std::uint64_t high = random.bits(), low = random.bits();
  at::Generator result = at::globalContext().defaultGenerator(tensor.device()).clone();
  result.set_current_seed(high << 32 | low);
  return result;
}

}  // namespace

at::Tensor step_uniform(at::IntArrayRef shape, const at::TensorOptions& tensor, Draw draw,
                        std::uint32_t layer, const ForwardContext& context) {
  return at::empty(shape, tensor).uniform_(0, 1, generator(tensor, draw, layer, 0, context));
}

at::Tensor sample_noise(Law law, std::int64_t batch, at::IntArrayRef shape,
                        const at::TensorOptions& tensor, Draw draw, std::uint32_t layer,
                        const ForwardContext& context) {
  std::vector<std::int64_t> all{batch};
  all.insert(all.end(), shape.begin(), shape.end());
  at::Tensor noise = at::empty(all, tensor);
  const std::int64_t size = context.micro_batch > 0 ? context.micro_batch : batch;
  for (std::int64_t first = 0; first < batch; first += size) {
    auto part = noise.narrow(0, first, std::min(size, batch - first));
    const auto index = static_cast<std::uint64_t>((context.first + first) / size);
    const auto random = generator(tensor, draw, layer, index, context);
    if (law == Law::uniform) part.uniform_(0, 1, random);
    if (law == Law::normal) part.normal_(0, 1, random);
    if (law == Law::exponential) part.exponential_(1, random);
  }
  return noise;
}

at::Tensor noisy_codes(const at::Tensor& codes, double scale, Draw draw, std::uint32_t layer,
                       const ForwardContext& context) {
  if (!context.training || scale <= 0) return codes;
  const auto plain = codes.detach();
  const auto uniform = step_uniform(codes.sizes(), plain.options(), draw, layer, context);
  return codes + plain.abs().mul_(scale) * (2 * uniform - 1);
}

}  // namespace m2mkd::nac
