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

StageCost ReadIn::cost(double latents, const Work& more) const {
  const AttentionSizes sizes{attention.receiver_norm.weight.size(0), attention.heads,
                             attention.query.scale_weight.size(1),
                             attention.sender_norm.weight.size(0)};
  const auto width = static_cast<double>(sizes.width), hidden = ffn.hidden(),
             heads = static_cast<double>(sizes.heads), in = static_cast<double>(sizes.senders),
             tokens = tokenizer.tokens();
  Work run = tokenizer.work();
  run += ffn_work(width, hidden, latents);
  run += more;
  Work published = run;
  run += read_in_work(sizes, latents, tokens, false);
  published += read_in_work(sizes, latents, tokens, true);
  return stage_cost(run, published, tokenizer.image_work(),
                    tokenizer.elements() + latents * heads * (2 * tokens + 4 * in) +
                        ffn_elements(width, hidden, latents));
}

StageCost latent_cost(const ModelOptions& options, double receivers, double senders,
                      const Work& more) {
  const auto attention = latent_sizes(options);
  const Sizes s = sizes(options);
  const auto width = static_cast<double>(s.width), hidden = static_cast<double>(s.hidden);
  Work work = latent_work(attention, receivers, senders);
  work += ffn_work(width, hidden, receivers);
  work += more;
  return stage_cost(
      work, work, 0,
      latent_elements(attention, receivers, senders) + ffn_elements(width, hidden, receivers));
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
      gumbel(options.own<NacOptions>().pooling == Pooling::gumbel),
      eval_noise(options.own<NacOptions>().eval_noise),
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
