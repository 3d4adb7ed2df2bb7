#pragma once
// Graph priors of NAC: a random graph over the mediators, signatures whose cosine distances
// reproduce it, and the regularisers that act on signatures (reference/nac §2).

#include <cstdint>

#include <ATen/core/Tensor.h>

#include <m2mkd/config/keys.hpp>

namespace m2mkd {

enum class Prior { barabasi_albert, erdos_renyi, planted_partition, ring_of_cliques };
template <>
struct EnumNames<Prior> {
  static constexpr std::array<std::pair<Prior, std::string_view>, 4> names{
      {{Prior::barabasi_albert, "barabasi_albert"},
       {Prior::erdos_renyi, "erdos_renyi"},
       {Prior::planted_partition, "planted_partition"},
       {Prior::ring_of_cliques, "ring_of_cliques"}}};
};

enum class PriorFit { published, exact };
template <>
struct EnumNames<PriorFit> {
  static constexpr std::array<std::pair<PriorFit, std::string_view>, 2> names{
      {{PriorFit::published, "published"}, {PriorFit::exact, "true"}}};
};

struct PriorOptions {
  Prior prior = Prior::barabasi_albert;
  std::int64_t prior_edges = 2;     ///< barabasi_albert: edges of each new node (m)
  double prior_p = 0.1;             ///< erdos_renyi: probability of an edge
  std::int64_t prior_clusters = 8;  ///< planted_partition, ring_of_cliques: equal groups of nodes
  double prior_p_in = 0.9, prior_p_out = 0.2;  ///< planted_partition: within and between groups
  PriorFit prior_fit =
      PriorFit::published;  ///< published: one threshold, 0.8, beneath the kernel's 0.9, so that
                            ///< more pairs are active than were drawn; true: edges ≤ 0.85, others ≥
                            ///< 0.95, so that exactly the drawn graph is active where it can be

  static Keys<PriorOptions> keys();
};

/// Why no graph of `nodes` nodes can be drawn ("prior_clusters = 5: must divide ..."); empty: it
/// can.
std::string prior_complaint(const PriorOptions& options, std::int64_t nodes);

/// The drawn graph: (n, n) bool on the CPU, symmetric, false on the diagonal. A pure function of
/// its arguments.
at::Tensor draw_graph(const PriorOptions& options, std::int64_t nodes, std::uint64_t seed);

/// Signatures (n, width), fp32 on the CPU, not normalised: from an orthogonal start, Adam pulls
/// edges below and pushes other pairs above the thresholds of prior_fit. published: 1000 steps of
/// 1e-3. true: steps from 1e-2 to 0 until every pair fits, at most 3000 (edges weigh more where
/// they are few); a graph that has no such signatures in `width` dimensions ends there, and
/// graph_report tells. A pure function of its arguments for one number of threads. 768 nodes: 2 s
/// and at most 8.
at::Tensor fit_signatures(const PriorOptions& options, const at::Tensor& graph, std::int64_t width,
                          std::uint64_t seed);

/// How signatures (n, width) compare with the drawn graph; shares of ordered pairs i ≠ j.
struct GraphReport {
  double density = 0;          ///< edges over pairs
  double recall = 0;           ///< of the edges, those at most the fit's threshold apart
  double false_positives = 0;  ///< of the other pairs, those nearer than their threshold
  double kept = 0, added = 0;  ///< of the edges and of the others, those that the kernel keeps
  double active = 0;           ///< pairs that the kernel keeps: at most the truncation apart
  double links_per_row = 0;    ///< Σ over active pairs of exp(−distance), per node
};
GraphReport graph_report(const PriorOptions& options, const at::Tensor& graph,
                         const at::Tensor& signatures, double truncation);

/// 1 − cosine of every pair of rows: (a, S), (b, S) → (a, b), in 0..2 (F.normalize, eps 1e-12).
at::Tensor cosine_distances(const at::Tensor& a, const at::Tensor& b);

/// −Σ_{i>j, d_ij < hinge} d_ij over all pairs of rows of `signatures` (R, S); 0-dim,
/// differentiable. Zero unless two signatures are close: a guard against collapse (reference/nac
/// §2.3).
at::Tensor hinge_repulsion(const at::Tensor& signatures, double hinge);

enum class Matching { graph, rows };

/// Mean squared difference of the link probabilities (n, n) to a stochastic block model of
/// `clusters` equal clusters: p_in within (diagonal included), p_out between; 0-dim, differentiable
/// in `links`. The nodes are assigned to clusters on the host, without gradient. Matching::graph
/// permutes rows and columns alike: from the prior's own clusters, which are consecutive nodes,
/// pairs are swapped until no swap helps. Matching::rows permutes rows only, exactly, as published
/// (reference/nac §2.4). Links that are not finite give a loss that is not finite. Throws
/// std::logic_error where clusters do not divide n.
at::Tensor block_model_loss(const at::Tensor& links, std::int64_t clusters, double p_in,
                            double p_out, Matching matching);

}  // namespace m2mkd
