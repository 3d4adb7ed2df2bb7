#include "attention.hpp"

#include <cmath>

#include <ATen/ATen.h>

namespace m2mkd::nac {
namespace {

// (B, N, C) → (B, heads, N, C / heads)
at::Tensor split_heads(const at::Tensor& x, std::int64_t heads) {
  return x.view({x.size(0), x.size(1), heads, x.size(2) / heads}).transpose(1, 2);
}
at::Tensor join_heads(const at::Tensor& x) {
  return x.transpose(1, 2).reshape({x.size(0), x.size(2), x.size(1) * x.size(3)});
}

}  // namespace

ReadInAttention::ReadInAttention(const AttentionSizes& s, at::TensorOptions tensor)
    : sender_norm(s.senders, 1e-5, tensor),
      receiver_norm(s.width, 1e-5, tensor),
      query(s.width, s.width, s.code, false, tensor),
      key(s.senders, s.width, s.code, false, tensor),
      value(s.senders, s.width, s.code, false, tensor),
      exit(s.width, s.width, s.code, true, tensor),
      layer_scale(s.width, tensor),
      heads(s.heads) {}

at::Tensor ReadInAttention::operator()(const at::Tensor& states, const at::Tensor& tokens,
                                       const at::Tensor& codes) const {
  const auto batch = states.size(0), latents = states.size(1), in = tokens.size(2),
             width = states.size(2), head = width / heads;
  const auto senders = sender_norm(tokens);
  const auto by_head = [&](const ModFc& layer) { return layer.weight.view({heads, head, in}); };
  // (B, U, C) → (H, B·U, d): one product per head with its slice of a weight.
  const auto q =
      query(receiver_norm(states), codes).view({batch * latents, heads, head}).transpose(0, 1);
  // q · W_k (x ∘ s_k) = ((q W_k) ∘ s_k) · x
  const auto folded =
      (at::bmm(q, by_head(key)).view({heads, batch, latents, in}) * key.scale(codes))
          .transpose(0, 1)
          .reshape({batch, heads * latents, in});
  const auto scores =
      at::bmm(folded * (1 / std::sqrt(static_cast<double>(head))), senders.transpose(1, 2));
  const auto context = at::bmm(scores.softmax(-1), senders)  // (B, H·U, in)
                           .view({batch, heads, latents, in});
  // Σ_v a W_v (x ∘ s_v) = W_v (Σ_v a x ∘ s_v)
  const auto values =
      (context * value.scale(codes)).transpose(0, 1).reshape({heads, batch * latents, in});
  const auto message = at::bmm(values, by_head(value).transpose(1, 2))  // (H, B·U, d)
                           .transpose(0, 1)
                           .reshape({batch, latents, width});
  return layer_scale.gamma * exit(message, codes);
}

void ReadInAttention::list(ParameterList& list, const std::string& prefix,
                           double modulation) const {
  sender_norm.list(list, prefix + ".sender_layernorm");
  receiver_norm.list(list, prefix + ".receiver_layernorm");
  query.list(list, prefix + ".query_compiler", modulation);
  key.list(list, prefix + ".key_compiler", modulation);
  value.list(list, prefix + ".value_compiler", modulation);
  exit.list(list, prefix + ".exit_layer", modulation);
  layer_scale.list(list, prefix, 1.0);
}

LatentAttention::LatentAttention(const AttentionSizes& s, bool share_norm, at::TensorOptions tensor)
    : receiver_norm(s.width, 1e-5, tensor),
      query(s.width, s.width, s.code, false, tensor),
      key(s.senders, s.width, s.code, false, tensor),
      value(s.senders, s.width, s.code, false, tensor),
      exit(s.width, s.width, s.code, true, tensor),
      layer_scale(s.width, tensor),
      heads(s.heads) {
  if (!share_norm) sender_norm.emplace(s.senders, 1e-5, tensor);
}

at::Tensor LatentAttention::operator()(const at::Tensor& receivers, const at::Tensor& senders,
                                       const at::Tensor& receiver_codes,
                                       const at::Tensor& sender_codes,
                                       const at::Tensor& affinity) const {
  const auto q = split_heads(query(receivers, receiver_codes), heads);
  const auto k = split_heads(key(senders, sender_codes), heads);
  const auto v = split_heads(value(senders, sender_codes), heads);
  std::optional<at::Tensor> mask;  // alike for all heads
  if (affinity.defined()) mask = affinity.reshape({-1, 1, affinity.size(-2), affinity.size(-1)});
  at::Tensor message;
  if (mask && mask->requires_grad()) {
    // The fused attention gives its mask no gradient.
    auto scores =
        at::matmul(q * (1 / std::sqrt(static_cast<double>(q.size(3)))), k.transpose(2, 3));
    scores += *mask;
    message = at::matmul(scores.softmax(-1), v);
  } else {
    if (mask) mask = mask->to(q.scalar_type());
    message = at::scaled_dot_product_attention(q, k, v, mask);
  }
  return layer_scale.gamma * exit(join_heads(message), receiver_codes);
}

void LatentAttention::list(ParameterList& list, const std::string& prefix, double modulation,
                           double layer_scale_start) const {
  receiver_norm.list(list, prefix + ".receiver_layernorm");
  if (sender_norm) sender_norm->list(list, prefix + ".sender_layernorm");
  query.list(list, prefix + ".query_compiler", modulation);
  key.list(list, prefix + ".key_compiler", modulation);
  value.list(list, prefix + ".value_compiler", modulation);
  exit.list(list, prefix + ".exit_layer", modulation);
  layer_scale.list(list, prefix, layer_scale_start);
}

Work read_in_work(const AttentionSizes& s, double count, double tokens, bool published) {
  const auto c = static_cast<double>(s.width), in = static_cast<double>(s.senders),
             h = static_cast<double>(s.heads);
  Work work;
  work.weights = 2 * count * 2 * c * c;  // query and exit
  if (published) {
    work.weights += 2 * 2 * count * tokens * in * c;
    work.activations = 2 * 2 * count * tokens * c;
  } else {
    work.weights += 2 * 2 * count * in * c;
    work.activations = 2 * 2 * h * count * tokens * in;
  }
  return work;
}

Work latent_work(const AttentionSizes& s, double receivers, double senders) {
  const auto c = static_cast<double>(s.width), in = static_cast<double>(s.senders);
  return {2 * (receivers * 2 * c * c + senders * 2 * in * c), 2 * 2 * receivers * senders * c};
}

Work ffn_work(double width, double hidden, double count) {
  return {2 * count * 3 * width * hidden, 0};
}

double latent_elements(const AttentionSizes& s, double receivers, double senders) {
  const auto c = static_cast<double>(s.width), h = static_cast<double>(s.heads);
  return receivers * 6 * c + senders * 6 * c + receivers * senders * (2 * h + 4);
}

double ffn_elements(double width, double hidden, double count) {
  return count * (4 * width + 6 * hidden);
}

}  // namespace m2mkd::nac
