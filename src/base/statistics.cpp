#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <m2mkd/base/statistics.hpp>

namespace m2mkd {

Mean mean_of(const std::vector<double>& values) {
  Mean result;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    ++result.n;
    result.mean += value;
  }
  result.mean = result.n > 0 ? result.mean / result.n : std::numeric_limits<double>::quiet_NaN();
  double squares = 0;
  for (const double value : values)
    if (!std::isnan(value)) squares += (value - result.mean) * (value - result.mean);
  result.sd =
      result.n > 1 ? std::sqrt(squares / (result.n - 1)) : std::numeric_limits<double>::quiet_NaN();
  return result;
}

double t_quantile(int degrees) {
  static constexpr std::array<double, 30> table{
      12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
      2.201,  2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
      2.080,  2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042};
  if (degrees <= 30) return table[static_cast<std::size_t>(std::max(1, degrees) - 1)];
  // Cornish-Fisher's first two terms about the normal quantile; from 30 on right to 1e-3.
  const double z = 1.959964, n = degrees;
  return z + (z * z * z + z) / (4 * n) +
         (5 * std::pow(z, 5) + 16 * z * z * z + 3 * z) / (96 * n * n);
}

double half_width(const Mean& mean) {
  if (mean.n < 2) return std::numeric_limits<double>::quiet_NaN();
  return t_quantile(mean.n - 1) * mean.sd / std::sqrt(mean.n);
}

}  // namespace m2mkd
