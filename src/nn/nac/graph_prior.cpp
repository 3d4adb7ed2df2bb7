// Which graphs there are, and how they are drawn (reference/nac §2.1; networkx 3.1's rules).

#include <algorithm>
#include <functional>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/random.hpp>
#include <m2mkd/nn/graph_prior.hpp>

namespace m2mkd {
namespace {

using Link = std::function<void(std::int64_t, std::int64_t)>;

/// Preferential attachment: a star of m + 1 nodes; then every node joins m distinct earlier ones,
/// chosen from a list that holds each node as often as it has edges.
void barabasi_albert(std::int64_t nodes, std::int64_t m, Random& random, const Link& link) {
  std::vector<std::int64_t> ends(static_cast<std::size_t>(m), 0);
  for (std::int64_t leaf = 1; leaf <= m; ++leaf) {
    link(0, leaf);
    ends.push_back(leaf);
  }
  for (std::int64_t node = m + 1; node < nodes; ++node) {
    std::vector<std::int64_t> targets;
    while (std::ssize(targets) < m) {
      const auto target = ends[random.below(ends.size())];
      if (std::ranges::find(targets, target) == targets.end()) targets.push_back(target);
    }
    for (const auto target : targets) link(node, target);
    ends.insert(ends.end(), targets.begin(), targets.end());
    ends.insert(ends.end(), targets.size(), node);
  }
}

/// Every pair i < j in lexicographic order, with one draw each, is joined with probability p(i, j).
void independent_pairs(std::int64_t nodes, Random& random, const Link& link,
                       const std::function<double(std::int64_t, std::int64_t)>& p) {
  for (std::int64_t i = 0; i < nodes; ++i)
    for (std::int64_t j = i + 1; j < nodes; ++j)
      if (random.uniform() < p(i, j)) link(i, j);
}

/// Complete graphs of `size` consecutive nodes; the second node of each is joined to the first of
/// the next (single nodes make a plain ring).
void ring_of_cliques(std::int64_t nodes, std::int64_t size, const Link& link) {
  for (std::int64_t first = 0; first < nodes; first += size) {
    for (std::int64_t i = first; i < first + size; ++i)
      for (std::int64_t j = i + 1; j < first + size; ++j) link(i, j);
    link(first + std::min<std::int64_t>(1, size - 1), (first + size) % nodes);
  }
}

std::string probability_complaint(const char* key, double p) {
  const auto complaint = within(0.0, 1.0)(p);
  return complaint.empty() ? complaint : fmt::format("{} = {}: {}", key, p, complaint);
}

std::string clusters_complaint(std::int64_t clusters, std::int64_t nodes) {
  if (clusters >= 1 && nodes % clusters == 0) return {};
  return fmt::format("prior_clusters = {}: must divide the number of nodes, {}", clusters, nodes);
}

}  // namespace

Keys<PriorOptions> PriorOptions::keys() {
  using O = PriorOptions;
  Keys<O> k;
  k.add("prior", &O::prior,
        "nac: random graph over the mediators that their signatures start from");
  k.add("prior_edges", &O::prior_edges, "nac, barabasi_albert: edges of each new node",
        within<std::int64_t>(1, 65536));
  k.add("prior_p", &O::prior_p, "nac, erdos_renyi: probability of an edge", within(0.0, 1.0));
  k.add("prior_clusters", &O::prior_clusters,
        "nac, planted_partition and ring_of_cliques: groups of equally many mediators",
        within<std::int64_t>(1, 65536));
  k.add("prior_p_in", &O::prior_p_in,
        "nac, planted_partition: probability of an edge within a group", within(0.0, 1.0));
  k.add("prior_p_out", &O::prior_p_out,
        "nac, planted_partition: probability of an edge between groups", within(0.0, 1.0));
  k.add(
      "prior_fit", &O::prior_fit,
      "nac: published: edges nearer than 0.8, so that a kernel cut at 0.9 sees many more links "
      "than were drawn; true: edges at most 0.85, others at least 0.95 where that can be reached");
  return k;
}

std::string prior_complaint(const PriorOptions& o, std::int64_t nodes) {
  if (nodes < 1) return fmt::format("a graph of {} nodes: needs at least one node", nodes);
  switch (o.prior) {
    case Prior::barabasi_albert:
      if (o.prior_edges >= 1 && o.prior_edges < nodes) return {};
      return fmt::format(
          "prior_edges = {}: must be at least 1 and smaller than the number of nodes, {}",
          o.prior_edges, nodes);
    case Prior::erdos_renyi:
      return probability_complaint("prior_p", o.prior_p);
    case Prior::planted_partition:
      for (const auto& complaint : {clusters_complaint(o.prior_clusters, nodes),
                                    probability_complaint("prior_p_in", o.prior_p_in),
                                    probability_complaint("prior_p_out", o.prior_p_out)})
        if (!complaint.empty()) return complaint;
      return {};
    case Prior::ring_of_cliques:
      return clusters_complaint(o.prior_clusters, nodes);
  }
  return {};
}

at::Tensor draw_graph(const PriorOptions& o, std::int64_t nodes, std::uint64_t seed) {
  const auto complaint = prior_complaint(o, nodes);
  require(complaint.empty(), complaint);
  auto graph = at::zeros({nodes, nodes}, at::kBool);
  auto joined = graph.accessor<bool, 2>();
  const Link link = [&](std::int64_t i, std::int64_t j) {
    if (i != j) joined[i][j] = joined[j][i] = true;
  };
  constexpr std::string_view stream = "prior.graph";
  Random random(seed, Purpose::noise, hash64(stream.data(), stream.size()));
  const auto size = nodes / std::max<std::int64_t>(1, o.prior_clusters);
  switch (o.prior) {
    case Prior::barabasi_albert:
      barabasi_albert(nodes, o.prior_edges, random, link);
      break;
    case Prior::erdos_renyi:
      independent_pairs(nodes, random, link, [&](auto, auto) { return o.prior_p; });
      break;
    case Prior::planted_partition:
      independent_pairs(nodes, random, link, [&](auto i, auto j) {
        return i / size == j / size ? o.prior_p_in : o.prior_p_out;
      });
      break;
    case Prior::ring_of_cliques:
      ring_of_cliques(nodes, size, link);
      break;
  }
  return graph;
}

}  // namespace m2mkd
