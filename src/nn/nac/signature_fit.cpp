// Signatures whose cosine distances reproduce a graph (reference/nac §2.2).

#include "nac/signature_fit.hpp"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/random.hpp>
#include <m2mkd/nn/graph_prior.hpp>

namespace m2mkd {
namespace {

constexpr double kNormEps = 1e-12;  ///< F.normalize's

/// Orthonormal columns, or rows where n < width, uniformly distributed (torch's orthogonal_).
at::Tensor orthogonal_start(std::int64_t n, std::int64_t width, std::uint64_t seed) {
  constexpr std::string_view stream = "prior.signatures";
  Random random(seed, Purpose::noise, hash64(stream.data(), stream.size()));
  auto normal = at::empty({n, width}, at::kDouble);
  auto* values = normal.data_ptr<double>();
  for (std::int64_t i = 0; i < normal.numel(); ++i) values[i] = random.normal();
  const auto [q, r] = at::linalg_qr(n < width ? normal.t() : normal);
  const auto signed_q = q * at::sgn(r.diagonal());
  return (n < width ? signed_q.t() : signed_q).to(at::kFloat).contiguous();
}

/// Adam with torch's defaults, for one tensor.
class Adam {
 public:
  explicit Adam(const at::Tensor& x) : x_(x), m_(at::zeros_like(x)), v_(at::zeros_like(x)) {}

  void step(const at::Tensor& gradient, double rate) {
    first_ *= kBeta1;
    second_ *= kBeta2;
    m_.lerp_(gradient, 1 - kBeta1);
    v_.mul_(kBeta2).addcmul_(gradient, gradient, 1 - kBeta2);
    const auto scale = v_.sqrt().div_(std::sqrt(1 - second_)).add_(1e-8);
    x_.addcdiv_(m_, scale, -rate / (1 - first_));
  }

 private:
  static constexpr double kBeta1 = 0.9, kBeta2 = 0.999;
  at::Tensor x_, m_, v_;
  double first_ = 1, second_ = 1;  ///< powers of the betas
};

void fit_published(at::Tensor& x, const at::Tensor& graph) {
  const GraphObjective objective(graph, fit_thresholds(PriorFit::published), 1);
  Adam adam(x);
  for (int step = 0; step < 1000; ++step) adam.step(objective.gradient(x), 1e-3);
}

/// Falling steps let the last pairs settle. Where the graph does not fit into so few dimensions,
/// sparse edges would be given up for the many other pairs (768 nodes with 6 edges each: 0.41 of
/// them kept); with the root of the classes' ratio as their weight they are not (1.00, and 0.01 of
/// the others added).
void fit_exact(at::Tensor& x, const PriorOptions& options, const at::Tensor& graph) {
  constexpr int kSteps = 3000, kCheck = 100;
  const auto edges = graph.sum().item<double>();
  const auto others = static_cast<double>(graph.numel() - graph.size(0)) - edges;
  const GraphObjective objective(graph, fit_thresholds(PriorFit::exact),
                                 std::sqrt(std::max(others, 1.0) / std::max(edges, 1.0)));
  Adam adam(x);
  for (int step = 0; step < kSteps; ++step) {
    if (step % kCheck == 0) {
      const auto report = graph_report(options, graph, x, 0);
      if (report.recall == 1 && report.false_positives == 0) return;
    }
    adam.step(objective.gradient(x), 1e-2 * (1 - static_cast<double>(step) / kSteps));
  }
}

}  // namespace

FitThresholds fit_thresholds(PriorFit fit) {
  return fit == PriorFit::published ? FitThresholds{0.8, 0.8} : FitThresholds{0.85, 0.95};
}

GraphObjective::GraphObjective(const at::Tensor& graph, FitThresholds thresholds,
                               double edge_weight)
    : sign_(at::where(graph, edge_weight, -1.0).to(at::kFloat)),
      limit_(at::where(graph, edge_weight * (1 - thresholds.edge), thresholds.other - 1)
                 .to(at::kFloat)) {
  // The distance of a node to itself is constant: no pull, whatever its sign.
  sign_.fill_diagonal_(0);
  limit_.fill_diagonal_(0);
}

at::Tensor GraphObjective::gradient(const at::Tensor& signatures) const {
  const auto norms =
      at::linalg_vector_norm(signatures, 2, at::IntArrayRef{1}, true).clamp_min_(kNormEps);
  const auto unit = signatures / norms;
  auto pull = at::mm(unit, unit.t());
  auto* p = pull.data_ptr<float>();
  const auto* sign = sign_.const_data_ptr<float>();
  const auto* limit = limit_.const_data_ptr<float>();
  at::parallel_for(0, pull.numel(), 1 << 16, [&](std::int64_t first, std::int64_t last) {
    for (auto k = first; k < last; ++k) p[k] = sign[k] * p[k] < limit[k] ? sign[k] : 0.0f;
  });
  const auto n = static_cast<double>(signatures.size(0));
  const auto by_unit = at::mm(pull, unit).mul_(-2 / (n * n));
  return by_unit.addcmul_(unit, (by_unit * unit).sum(1, true), -1).div_(norms);
}

at::Tensor fit_signatures(const PriorOptions& options, const at::Tensor& graph, std::int64_t width,
                          std::uint64_t seed) {
  require(graph.dim() == 2 && graph.size(0) == graph.size(1) && width > 0,
          "fit_signatures: needs a square graph and a width");
  const c10::NoGradGuard no_grad;
  auto x = orthogonal_start(graph.size(0), width, seed);
  if (options.prior_fit == PriorFit::published)
    fit_published(x, graph);
  else
    fit_exact(x, options, graph);
  return x;
}

GraphReport graph_report(const PriorOptions& options, const at::Tensor& graph,
                         const at::Tensor& signatures, double truncation) {
  const c10::NoGradGuard no_grad;
  const auto n = graph.size(0);
  const auto limits = fit_thresholds(options.prior_fit);
  const auto s = signatures.to(at::kCPU, at::kDouble);
  const auto distances = cosine_distances(s, s);
  const auto pairs = at::eye(n, at::kBool).logical_not_();
  const auto edges = graph.to(at::kCPU).logical_and(pairs), others = pairs.logical_xor(edges);
  const auto count = [](const at::Tensor& mask) {
    return static_cast<double>(mask.sum().item<std::int64_t>());
  };
  const auto share = [&](const at::Tensor& part, const at::Tensor& whole, double of_none) {
    const double all = count(whole);
    return all > 0 ? count(part.logical_and(whole)) / all : of_none;
  };
  const auto open = distances.le(truncation).logical_and(pairs);
  GraphReport report;
  report.density = share(edges, pairs, 0);
  report.recall = share(distances.le(limits.edge), edges, 1);
  report.false_positives = share(distances.lt(limits.other), others, 0);
  report.kept = share(open, edges, 1);
  report.added = share(open, others, 0);
  report.active = share(open, pairs, 0);
  report.links_per_row =
      distances.neg().exp().mul(open).sum().item<double>() / static_cast<double>(n);
  return report;
}

at::Tensor cosine_distances(const at::Tensor& a, const at::Tensor& b) {
  const auto unit = [](const at::Tensor& x) {
    return x / at::linalg_vector_norm(x, 2, at::IntArrayRef{1}, true).clamp_min(kNormEps);
  };
  return 1 - unit(a).matmul(unit(b).t());
}

}  // namespace m2mkd
