#include "normaliser.hpp"

#include <ATen/ATen.h>

#include <m2mkd/base/error.hpp>

namespace m2mkd {

Normaliser::Normaliser(const std::vector<double>& mean, const std::vector<double>& std,
                       at::ScalarType dtype) {
  require(mean.size() == std.size(), "one mean and one standard deviation per channel");
  auto table = at::empty({std::ssize(mean), 256}, at::kDouble);
  double* entry = table.data_ptr<double>();
  for (std::size_t c = 0; c < mean.size(); ++c)
    for (int v = 0; v < 256; ++v) *entry++ = (v / 255.0 - mean[c]) / std[c];
  table_ = table.to(dtype);
}

}  // namespace m2mkd
