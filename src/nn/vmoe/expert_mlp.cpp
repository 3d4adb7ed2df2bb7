#include "expert_mlp.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "expert_passes.hpp"

namespace m2mkd {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

const ExpertPasses& passes(const Routing& routing) {
  return routing.rows.empty() ? kGroupedPasses : kSlicedPasses;
}

/// Every gather has a permutation's inverse for its backward, so nothing is added by index and sums
/// have one order.
struct ExpertMlp : torch::autograd::Function<ExpertMlp> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& score,
                            const at::Tensor& w1, const at::Tensor& b1, const at::Tensor& w2,
                            const at::Tensor& b2, const Routing& routing) {
    // Types were settled by the caller; autocast must not change them between the two passes.
    const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
    const auto k = routing.top_k;
    const auto token = at::floor_divide(routing.order, k);  // row → token
    const auto rows = passes(routing).forward(x.index_select(0, token), {w1, b1, w2, b2}, routing);
    context->save_for_backward({score, w1, b1, w2, b2, rows.input, rows.hidden, rows.active,
                                rows.output, token, routing.order, routing.inverse, routing.ends});
    context->saved_data["rows"] = routing.rows;
    const auto chosen = rows.output.index_select(0, routing.inverse).view({-1, k, x.size(1)});
    return (chosen * score.unsqueeze(2)).sum(1);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const auto &score = saved[0], &token = saved[9];
    const ExpertWeights weights{saved[1], saved[2], saved[3], saved[4]};
    const ExpertRows rows{saved[5], saved[6], saved[7], saved[8]};
    const Routing routing{saved[10], saved[11], saved[12],
                          context->saved_data["rows"].toIntVector(), score.size(1)};
    const auto need = [&](std::size_t i) { return context->needs_input_grad(i); };
    const auto by_slot = [&](const at::Tensor& of_rows) {
      return of_rows.index_select(0, routing.inverse);
    };

    variable_list result(7);
    const auto incoming = gradients[0].index_select(0, token);
    if (need(1))
      result[1] =
          by_slot((rows.output * incoming).sum(1)).view(score.sizes()).to(score.scalar_type());
    const auto row_score = score.reshape({-1}).index_select(0, routing.order).unsqueeze(1);
    const auto d_output = (incoming * row_score).to(rows.output.scalar_type());
    const auto d = passes(routing).backward(d_output, rows, weights, routing,
                                            {need(0), need(2), need(3), need(4), need(5)});
    if (d.input.defined())
      result[0] = by_slot(d.input).view({score.size(0), score.size(1), -1}).sum(1);
    result[2] = d.w1;
    result[3] = d.b1;
    result[4] = d.w2;
    result[5] = d.b2;
    return result;
  }
};

}  // namespace

Routing route(const at::Tensor& choice, std::int64_t experts, bool on_host) {
  Routing routing;
  routing.top_k = choice.size(1);
  const auto flat = choice.reshape({-1});
  routing.order = at::argsort(flat, /*stable=*/true, /*dim=*/0);
  const auto slots = at::arange(flat.size(0), flat.options());
  routing.inverse = at::empty_like(flat).scatter_(0, routing.order, slots);
  routing.ends =
      at::searchsorted(flat.index_select(0, routing.order), at::arange(experts, flat.options()),
                       /*out_int32=*/true, /*right=*/true);
  if (on_host) {
    const auto ends = routing.ends.cpu();
    const auto* data = ends.data_ptr<std::int32_t>();
    for (std::int64_t e = 0; e < experts; ++e)
      routing.rows.push_back(data[e] - (e ? data[e - 1] : 0));
  }
  return routing;
}

at::Tensor expert_mlp(const at::Tensor& x, const at::Tensor& score, const ExpertWeights& weights,
                      const Routing& routing) {
  return ExpertMlp::apply(x, score, weights.w1, weights.b1, weights.w2, weights.b2, routing);
}

}  // namespace m2mkd
