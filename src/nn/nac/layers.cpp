#include "layers.hpp"

#include <ATen/ATen.h>

#include "noise.hpp"

namespace m2mkd::nac {
namespace {

Sizes sizes(const ModelOptions& options) {
  return {options, {}};
}

ModFfn make_ffn(const ModelOptions& options, at::TensorOptions tensor) {
  const Sizes s = sizes(options);
  return {s.width, s.hidden, s.code, tensor};
}

}  // namespace

AttentionSizes latent_sizes(const ModelOptions& options) {
  const Sizes s = sizes(options);
  return {s.width, s.heads, s.code, s.width};
}

ReadIn::ReadIn(const ModelOptions& options, const ImageShape& shape, at::TensorOptions tensor)
    : tokenizer(options, shape, tensor),
      attention({options.width, options.heads, sizes(options).code, sizes(options).token}, tensor),
      ffn(make_ffn(options, tensor)) {}

at::Tensor ReadIn::operator()(const at::Tensor& images, const at::Tensor& states,
                              const at::Tensor& codes) const {
  const auto x = states + attention(states, tokenizer(images), codes);
  return x + ffn(x, codes);
}

Propagator::Propagator(const ModelOptions& options, int index, at::TensorOptions tensor)
    : attention(latent_sizes(options), true, tensor),
      ffn(make_ffn(options, tensor)),
      drop_path(options.drop_path),
      layer(static_cast<std::uint32_t>(index)) {}

at::Tensor Propagator::operator()(const at::Tensor& x, std::int64_t receivers,
                                  const at::Tensor& receiver_codes, const at::Tensor& sender_codes,
                                  const at::Tensor& affinity, const ForwardContext& context) const {
  const auto last = [&](const at::Tensor& t) {
    return t.narrow(1, t.size(1) - receivers, receivers);
  };
  const auto senders = attention.receiver_norm(x);
  const auto message = attention(last(senders), senders, receiver_codes, sender_codes, affinity);
  const auto state = last(x) + m2mkd::drop_path(message, drop_path, 2 * layer, context);
  return state + m2mkd::drop_path(ffn(state, receiver_codes), drop_path, 2 * layer + 1, context);
}

ReadOut::ReadOut(const ModelOptions& options, const ImageShape& shape, at::TensorOptions tensor)
    : attention(latent_sizes(options), false, tensor),
      ffn(make_ffn(options, tensor)),
      scorer(options.width, 1, true, tensor),
      to_logits(options.width, shape.classes, true, tensor),
      gumbel(options.nac.pooling == Pooling::gumbel),
      eval_noise(options.nac.eval_noise),
      layer(static_cast<std::uint32_t>(options.stages() - 1)) {}

at::Tensor ReadOut::attend(const at::Tensor& states, const at::Tensor& senders,
                           const at::Tensor& receiver_codes, const at::Tensor& sender_codes,
                           const at::Tensor& affinity) const {
  const auto x = attention(attention.receiver_norm(states), (*attention.sender_norm)(senders),
                           receiver_codes, sender_codes, affinity);
  return x + ffn(x, receiver_codes);
}

at::Tensor ReadOut::classify(const at::Tensor& states, const ForwardContext& context) const {
  auto confidence = scorer(states);  // (B, U, 1)
  if (gumbel && (context.training || eval_noise)) {
    const auto exponential =
        sample_noise(Law::exponential, states.size(0), {states.size(1), 1},
                     confidence.detach().options(), Draw::pooling, layer, context);
    confidence = confidence - exponential.log();
  }
  return to_logits((confidence.softmax(1) * states).sum(1));
}

}  // namespace m2mkd::nac
