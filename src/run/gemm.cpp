#include <algorithm>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <m2mkd/base/stopwatch.hpp>
#include <m2mkd/run/gemm.hpp>

namespace m2mkd {

double gemm_gflops(Precision precision, c10::Device device) {
  const c10::NoGradGuard no_grad;
  const bool cuda = device.is_cuda();
  const std::int64_t n = cuda ? 4096 : 512;
  const auto type = precision == Precision::fp64   ? at::kDouble
                    : precision == Precision::bf16 ? at::kBFloat16
                                                   : at::kFloat;
  const at::Tensor a = at::ones({n, n}, at::dtype(type).device(device)), b = a.clone();
  double best = 0;
  const Stopwatch all;
  for (int i = 0; i < 20 && (i < 3 || all.seconds() < 0.1); ++i) {
    const Stopwatch watch;
    const at::Tensor c = at::mm(a, b);
    c.select(0, 0).select(0, 0).item();  // waits for a GPU
    const double flop =
        2.0 * static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n);
    best = std::max(best, flop / watch.seconds() * 1e-9);
  }
  return best;
}

}  // namespace m2mkd
