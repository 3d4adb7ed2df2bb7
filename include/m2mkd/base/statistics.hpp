#pragma once
// Means over few runs, and how sure they are.

#include <vector>

namespace m2mkd {

struct Mean {
  int n = 0;
  double mean = 0, sd = 0;  ///< NaN where there are too few values: none for the mean, fewer than
                            ///< two for the deviation
};

/// Mean and sample standard deviation (n - 1); values that are NaN are left out.
Mean mean_of(const std::vector<double>& values);

/// 97.5 % quantile of Student's t with `degrees` ≥ 1 degrees of freedom: half-width of a 95 %
/// interval in standard errors.
double t_quantile(int degrees);

/// Half-width of the 95 % interval of the mean; NaN for fewer than two values.
double half_width(const Mean& mean);

}  // namespace m2mkd
