#pragma once
// The objective by which signatures are fitted to a graph.

#include <ATen/core/Tensor.h>

#include <m2mkd/nn/graph_prior.hpp>

namespace m2mkd {

/// Edges are pulled to a distance of at most `edge`, other pairs pushed to at least `other`.
struct FitThresholds {
  double edge, other;
};
FitThresholds fit_thresholds(PriorFit fit);

/// Mean over all n · n pairs of edge_weight · max(edge, d) for edges and max(−other, −d) for the
/// others.
class GraphObjective {
 public:
  /// `graph`: (n, n) bool on the CPU.
  GraphObjective(const at::Tensor& graph, FitThresholds thresholds, double edge_weight);
  /// By signatures (n, S), fp32 on the CPU, in closed form: two products of matrices.
  at::Tensor gradient(const at::Tensor& signatures) const;

 private:
  at::Tensor sign_;   ///< (n, n): edge_weight of an edge, −1 other pair, 0 diagonal
  at::Tensor limit_;  ///< (n, n): a pair is pulled where sign_ · cosine is below it
};

}  // namespace m2mkd
