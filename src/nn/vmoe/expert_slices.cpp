#include <ATen/ATen.h>

#include "expert_passes.hpp"

namespace m2mkd {
namespace {

/// Calls visit(e, slice) for every expert; `slice(tensor)` is the expert's rows of a tensor, none
/// where it has no rows.
template <class F>
void for_each_expert(const Routing& routing, F visit) {
  std::int64_t first = 0;
  for (std::size_t e = 0; e < routing.rows.size(); ++e) {
    const auto count = routing.rows[e];
    const auto slice = [&](const at::Tensor& tensor) { return tensor.narrow(0, first, count); };
    visit(static_cast<std::int64_t>(e), count, slice);
    first += count;
  }
}

ExpertRows sliced_forward(const at::Tensor& input, const ExpertWeights& weights,
                          const Routing& routing) {
  const auto count = input.size(0), hidden = weights.w1.size(1);
  const ExpertRows rows{input, at::empty({count, hidden}, input.options()),
                        at::empty({count, hidden}, input.options()), at::empty_like(input)};
  for_each_expert(routing, [&](std::int64_t e, std::int64_t number, const auto& slice) {
    if (number == 0) return;
    auto h = slice(rows.hidden), a = slice(rows.active), y = slice(rows.output);
    at::addmm_out(h, weights.b1[e], slice(input), weights.w1[e].t());
    at::gelu_out(a, h);
    at::addmm_out(y, weights.b2[e], a, weights.w2[e].t());
  });
  return rows;
}

/// Gradients of one Linear's weight and bias, written into their slices of the stacked gradients.
void product_gradients(const at::Tensor& dw, const at::Tensor& db, std::int64_t e,
                       const at::Tensor& dy, const at::Tensor& x) {
  if (dw.defined()) {
    auto out = dw[e];
    at::mm_out(out, dy.t(), x);
  }
  if (db.defined()) {
    auto out = db[e];
    at::sum_out(out, dy, 0);
  }
}

ExpertGradients sliced_backward(const at::Tensor& d_output, const ExpertRows& rows,
                                const ExpertWeights& weights, const Routing& routing,
                                const ExpertGradientsWanted& wanted) {
  const auto like = [](bool want, const at::Tensor& tensor) {
    return want ? at::empty_like(tensor) : at::Tensor();
  };
  const ExpertGradients d{like(wanted.input, rows.input), like(wanted.w1, weights.w1),
                          like(wanted.b1, weights.b1), like(wanted.w2, weights.w2),
                          like(wanted.b2, weights.b2)};
  for_each_expert(routing, [&](std::int64_t e, std::int64_t number, const auto& slice) {
    if (number == 0) {
      for (const auto& gradient : {d.w1, d.b1, d.w2, d.b2})
        if (gradient.defined()) gradient[e].zero_();
      return;
    }
    const auto dy = slice(d_output);
    product_gradients(d.w2, d.b2, e, dy, slice(rows.active));
    if (!wanted.beyond_output()) return;
    const auto dh = at::gelu_backward(at::mm(dy, weights.w2[e]), slice(rows.hidden));
    product_gradients(d.w1, d.b1, e, dh, slice(rows.input));
    if (d.input.defined()) {
      auto out = slice(d.input);
      at::mm_out(out, dh, weights.w1[e]);
    }
  });
  return d;
}

}  // namespace

const ExpertPasses kSlicedPasses{sliced_forward, sliced_backward};

}  // namespace m2mkd
