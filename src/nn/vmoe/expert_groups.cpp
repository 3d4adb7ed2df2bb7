#include <ATen/ATen.h>

#include "expert_passes.hpp"

namespace m2mkd {
namespace {

/// (R) int64: the expert of each row.
at::Tensor expert_of_row(const at::Tensor& ends, std::int64_t rows) {
  return at::searchsorted(ends, at::arange(rows, ends.options()), /*out_int32=*/false,
                          /*right=*/true);
}

ExpertRows grouped_forward(const at::Tensor& input, const ExpertWeights& weights,
                           const Routing& routing) {
  const auto expert = expert_of_row(routing.ends, input.size(0));
  const auto product = [&](const at::Tensor& x, const at::Tensor& w, const at::Tensor& b) {
    return at::_grouped_mm(x, w.transpose(1, 2), routing.ends).add_(b.index_select(0, expert));
  };
  const auto hidden = product(input, weights.w1, weights.b1);
  const auto active = at::gelu(hidden);
  return {input, hidden, active, product(active, weights.w2, weights.b2)};
}

ExpertGradients grouped_backward(const at::Tensor& d_output, const ExpertRows& rows,
                                 const ExpertWeights& weights, const Routing& routing,
                                 const ExpertGradientsWanted& wanted) {
  const auto& ends = routing.ends;
  const auto empty = at::diff(ends, 1, 0, at::zeros({1}, ends.options())).eq(0).view({-1, 1, 1});
  const auto member = expert_of_row(ends, d_output.size(0))
                          .unsqueeze(1)
                          .eq(at::arange(ends.size(0), ends.options()));
  const auto weight = [&](bool want, const at::Tensor& dy, const at::Tensor& x) {
    // What a product over no rows leaves behind is the kernel's affair, so those slices are zeroed
    // here.
    return want ? at::_grouped_mm(dy.t(), x, ends).masked_fill_(empty, 0) : at::Tensor();
  };
  const auto bias = [&](bool want, const at::Tensor& dy) {
    return want ? at::mm(member.to(dy.scalar_type()).t(), dy) : at::Tensor();
  };
  ExpertGradients d;
  d.w2 = weight(wanted.w2, d_output, rows.active);
  d.b2 = bias(wanted.b2, d_output);
  if (!wanted.beyond_output()) return d;
  const auto dh = at::gelu_backward(at::_grouped_mm(d_output, weights.w2, ends), rows.hidden);
  d.w1 = weight(wanted.w1, dh, rows.input);
  d.b1 = bias(wanted.b1, dh);
  if (wanted.input) d.input = at::_grouped_mm(dh, weights.w1, ends);
  return d;
}

}  // namespace

const ExpertPasses kGroupedPasses{grouped_forward, grouped_backward};

}  // namespace m2mkd
