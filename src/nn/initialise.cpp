// How parameters start: a pure function of (seed, role, name, element), in double, stored in the
// tensor's dtype.

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/random.hpp>
#include <m2mkd/nn/chain.hpp>
#include <m2mkd/nn/initialise.hpp>

namespace m2mkd {
namespace {

constexpr std::int64_t kBlock = 4096;  ///< elements per stretch of the random stream
constexpr std::uint64_t kWords =
    4;  ///< 32-bit words set aside per element: a normal number takes four

/// Fills a contiguous CPU tensor. Each block of elements has its own place in the stream, so
/// threads do not matter.
template <class T>
void fill_random(T* data, std::int64_t count, const Initial& initial, std::uint64_t seed,
                 std::uint64_t key) {
  const std::int64_t blocks = (count + kBlock - 1) / kBlock;
  at::parallel_for(0, blocks, 4, [&](std::int64_t first, std::int64_t last) {
    Random random(seed, Purpose::initialise, key);
    for (std::int64_t block = first; block < last; ++block) {
      const std::int64_t begin = block * kBlock, end = std::min(count, begin + kBlock);
      random.seek(kWords * static_cast<std::uint64_t>(begin));
      for (std::int64_t i = begin; i < end; ++i)
        data[i] = static_cast<T>(initial.kind == Initial::Kind::normal
                                     ? initial.scale * random.normal()
                                     : random.uniform(-initial.scale, initial.scale));
    }
  });
}

void fill(at::Tensor tensor, const Initial& initial, std::uint64_t seed, const std::string& name) {
  switch (initial.kind) {
    case Initial::Kind::zeros:
      tensor.zero_();
      return;
    case Initial::Kind::ones:
      tensor.fill_(1);
      return;
    case Initial::Kind::constant:
      tensor.fill_(initial.scale);
      return;
    case Initial::Kind::normal:
    case Initial::Kind::uniform:
      break;
  }
  const auto key = hash64(name.data(), name.size());
  const auto dtype = tensor.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  auto values = at::empty(tensor.sizes(), at::TensorOptions().dtype(dtype));
  if (dtype == at::kDouble)
    fill_random(values.data_ptr<double>(), values.numel(), initial, seed, key);
  else
    fill_random(values.data_ptr<float>(), values.numel(), initial, seed, key);
  tensor.copy_(values);
}

}  // namespace

void initialise(const Chain& chain, std::uint64_t seed) {
  const c10::AutoGradMode no_grad(false);
  auto all = parameters(chain);
  for (auto& buffer : buffers(chain)) all.push_back(std::move(buffer));
  for (const auto& parameter : all) {
    require(!parameter.tensor.is_meta(), "initialise: tensors of the meta device have no values");
    fill(parameter.tensor, parameter.initial, seed, chain.role + "." + parameter.name);
  }
}

}  // namespace m2mkd
