// What acts on signatures during training: repulsion and the block model (reference/nac §2.3, 2.4).

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/nn/graph_prior.hpp>

#include "nac/transport.hpp"

namespace m2mkd {
namespace {

constexpr int kSwapPasses = 20;  ///< at most; near the prior one or two are the rule

/// (n, k): how much each row has in common with each group of columns.
at::Tensor overlap(const at::Tensor& links, const at::Tensor& groups, std::int64_t clusters) {
  return links.matmul(at::one_hot(groups, clusters).to(links.scalar_type()));
}

at::Tensor best_groups(const at::Tensor& gain) {
  const auto cost = gain.neg().contiguous();
  const std::span<const double> values(cost.const_data_ptr<double>(),
                                       static_cast<std::size_t>(cost.numel()));
  return at::tensor(transport(values, cost.size(1)), at::kLong);
}

/// Groups for rows and columns alike, such that no swap of two nodes of different groups adds links
/// within groups; only those matter, since all groups are equally large. From `start` on, each swap
/// that gains something is made. (Best groups of rows for the columns' present ones, by transport,
/// do not lead further and take longer.)
at::Tensor swap_pairs(const at::Tensor& links, const at::Tensor& start, std::int64_t clusters) {
  const auto symmetric = (links + links.t()) / 2;
  auto groups = start.clone(), sums = overlap(symmetric, groups, clusters);
  const auto link = symmetric.accessor<double, 2>();
  auto sum = sums.accessor<double, 2>();
  auto group = groups.accessor<std::int64_t, 1>();
  const auto n = links.size(0);
  const double least = 1e-12 * (1 + links.abs().sum().item<double>());  // more than rounding
  bool swapped = true;
  for (int pass = 0; swapped && pass < kSwapPasses; ++pass) {
    swapped = false;
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = i + 1; j < n; ++j) {
        const auto a = group[i], b = group[j];
        if (a == b) continue;
        const double gain = sum[i][b] - sum[i][a] + sum[j][a] - sum[j][b] + link[i][i] +
                            link[j][j] - 2 * link[i][j];
        if (gain <= least) continue;
        for (std::int64_t v = 0; v < n; ++v) {
          const double change = link[v][j] - link[v][i];
          sum[v][a] += change;
          sum[v][b] -= change;
        }
        std::swap(group[i], group[j]);
        swapped = true;
      }
  }
  return groups;
}

}  // namespace

at::Tensor hinge_repulsion(const at::Tensor& signatures, double hinge) {
  const auto distances = cosine_distances(signatures, signatures);
  return distances.mul(at::tril(distances.lt(hinge), -1)).sum().neg();
}

at::Tensor block_model_loss(const at::Tensor& links, std::int64_t clusters, double p_in,
                            double p_out, Matching matching) {
  const auto n = links.size(0);
  require(links.dim() == 2 && links.size(1) == n && clusters > 0 && n % clusters == 0,
          "block_model_loss: the clusters must divide the nodes");
  const auto blocks = at::arange(n, at::kLong).floor_divide(n / clusters);
  auto rows = blocks, columns = blocks;
  // |Q_c − P_i|² = |Q_c|² + |P_i|² − 2 Q_c·P_i; the squares are the same for every assignment, and
  // Q_c·P_i = p_out Σ_v P_iv + (p_in − p_out) Σ_{v in c} P_iv.
  const auto gain = links.detach().to(at::kCPU, at::kDouble) * (p_in - p_out);
  if (gain.isfinite()
          .all()
          .item<bool>()) {  // otherwise the loss is not finite either, as it should
    if (matching == Matching::rows)
      rows = best_groups(overlap(gain, blocks, clusters));
    else
      rows = columns = swap_pairs(gain, blocks, clusters);
  }
  const auto same = rows.unsqueeze(1).eq(columns.unsqueeze(0)).to(links.device());
  const auto target = at::where(same, at::scalar_tensor(p_in, links.options().requires_grad(false)),
                                at::scalar_tensor(p_out, links.options().requires_grad(false)));
  return (links - target).square().mean();
}

}  // namespace m2mkd
