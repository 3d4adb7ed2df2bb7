#pragma once
// A NAC written as reference/nac states it, term by term, on the leaf tensors of a chain: keys and
// values for every pair of token and latent, normalised affinities, a sample for every pair. What
// the program's forms are compared with and timed against.

#include <functional>
#include <limits>
#include <map>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <m2mkd/nn/family.hpp>
#include <m2mkd/nn/layers.hpp>
#include <m2mkd/nn/nac.hpp>

#include "nac/noise.hpp"

namespace m2mkd::test {

class PlainNac {
 public:
  PlainNac(const Chain& chain, ModelOptions options) : options_(std::move(options)), chain_(chain) {
    for (const auto& parameter : m2mkd::parameters(chain)) {
      const auto& name = parameter.name;
      tensors_[name.substr(name.find('/', name.starts_with("stages/") ? 7 : 0) + 1)] =
          parameter.tensor;
    }
  }

  /// Uniform numbers (B, U, V) for the links of a layer.
  using Links = std::function<at::Tensor(int layer, at::IntArrayRef shape)>;

  at::Tensor forward(const at::Tensor& images, const ForwardContext& context,
                     const Links& links) const {
    const auto batch = images.size(0);
    const auto inputs = codes("input"), mediators = codes("mediator"), outputs = codes("output");
    auto in = seed(inputs, 0, batch, context), states = seed(mediators, 1, batch, context);
    const auto last = seed(outputs, 2, batch, context);
    const std::string graph = "latent_graphs.0.";
    in = read_in(in, tokens("input_tokenizer.", images),
                 noisy(inputs, nac::Draw::receiver_code, 0, context));
    const auto senders = at::cat({inputs, mediators});
    const int layers = options_.stages() - 2;
    for (int i = 0; i < layers; ++i) {
      const auto prefix = fmt::format("{}propagators.{}.", graph, i);
      const auto layer = static_cast<std::uint32_t>(i + 1);
      const auto receiver_codes = noisy(mediators, nac::Draw::receiver_code, layer, context),
                 sender_codes = noisy(senders, nac::Draw::sender_code, layer, context);
      const auto affinity = log_affinity(prefix, "mediator", options_.own<NacOptions>().truncation,
                                         i + 1, batch, context, links);
      const auto message = attention(prefix, "receiver_layernorm", states, at::cat({in, states}, 1),
                                     receiver_codes, sender_codes, affinity);
      states = states + drop_path(message, options_.drop_path, 2 * layer, context);
      states = states + drop_path(ffn(prefix + "ffn", states, receiver_codes), options_.drop_path,
                                  2 * layer + 1, context);
    }
    const auto prefix = graph + "read_out.";
    const auto layer = static_cast<std::uint32_t>(layers + 1);
    const auto receiver_codes = noisy(outputs, nac::Draw::receiver_code, layer, context);
    const auto affinity = log_affinity(prefix, "output", 0, layers + 1, batch, context, links);
    auto x = attention(prefix, "sender_layernorm", last, at::cat({in, states}, 1), receiver_codes,
                       noisy(senders, nac::Draw::sender_code, layer, context), affinity);
    x = x + ffn(prefix + "ffn", x, receiver_codes);
    const auto confidence = linear("output_tokenizer.confidence_scorer", x);
    return linear("output_tokenizer.to_logits", (confidence.softmax(1) * x).sum(1));
  }

  const at::Tensor& at(const std::string& name) const { return tensors_.at(name); }

  /// reference/nac §1.5 with keys and values (B, V, U, C).
  at::Tensor read_in_attention(const std::string& prefix, const at::Tensor& states,
                               const at::Tensor& tokens, const at::Tensor& code) const {
    const auto xt = norm(prefix + "sender_layernorm", tokens),
               xr = norm(prefix + "receiver_layernorm", states);
    const auto pairs = [&](const std::string& layer) {
      const auto s = scale(prefix + layer, code);  // (U, in)
      return at::linear(xt.unsqueeze(2) * s, at(prefix + layer + ".native_weight"));
    };
    const auto q = heads(mod_fc(prefix + "query_compiler", xr, code));  // (B, U, H, d)
    const auto k = heads(pairs("key_compiler")), v = heads(pairs("value_compiler"));
    const auto score = (q.unsqueeze(1) * k).sum(-1) / std::sqrt(static_cast<double>(q.size(-1)));
    const auto message = (score.softmax(1).unsqueeze(-1) * v).sum(1).flatten(2);
    return at(prefix + "layer_scale.gamma") * mod_fc(prefix + "exit_layer", message, code);
  }

  /// reference/nac §1.2.
  at::Tensor tokens(const std::string& prefix, const at::Tensor& images) const {
    const auto first = [](at::Tensor x) { return x.permute({0, 3, 1, 2}); };
    const auto last = [](at::Tensor x) { return x.permute({0, 2, 3, 1}); };
    const auto normed = [&](const std::string& name, const at::Tensor& x) {
      return first(
          at::layer_norm(last(x), {x.size(1)}, at(name + ".weight"), at(name + ".bias"), 1e-6));
    };
    const auto conv = [&](const std::string& name, const at::Tensor& x, std::int64_t stride) {
      return at::conv2d(x, at(name + ".weight"), at(name + ".bias"), stride);
    };
    const auto down = prefix + "backbone.downsample_layers.";
    auto x = normed(down + "0.1", conv(down + "0.0", images, options_.patch));
    for (std::size_t level = 0; level < options_.own<NacOptions>().tokenizer_depths.size();
         ++level) {
      if (level > 0) {
        const auto name = fmt::format("{}{}", down, level);
        x = conv(name + ".1", normed(name + ".0", x), 2);
      }
      for (std::int64_t b = 0; b < options_.own<NacOptions>().tokenizer_depths[level]; ++b) {
        const auto name = fmt::format("{}backbone.stages.{}.{}", prefix, level, b);
        auto y = at::conv2d(x, at(name + ".dwconv.weight"), at(name + ".dwconv.bias"), 1, 3, 1,
                            x.size(1));
        y = last(normed(name + ".norm", y));
        y = linear(name + ".pwconv2", at::gelu(linear(name + ".pwconv1", y)));
        x = x + first(at(name + ".gamma") * y);
      }
    }
    const auto& grid = at(prefix + "positional_grid.grid");
    const auto positions = grid.unsqueeze(0).expand({x.size(0), -1, -1, -1});
    return at::cat({x, positions}, 1).flatten(2).transpose(1, 2);
  }

  /// reference/nac §1.7, without the residual.
  at::Tensor ffn(const std::string& name, const at::Tensor& x, const at::Tensor& code) const {
    const auto halves = mod_fc(name + ".ffn.0", norm(name + ".layernorm", x), code).chunk(2, -1);
    return at(name + ".layer_scale.gamma") *
           mod_fc(name + ".ffn.2", halves[0] * at::gelu(halves[1]), code);
  }

 private:
  at::Tensor codes(const char* group) const {
    return at(fmt::format("latent_graphs.0.{}_latents.codes_", group));
  }
  at::Tensor noisy(const at::Tensor& c, nac::Draw draw, std::uint32_t layer,
                   const ForwardContext& context) const {
    return nac::noisy_codes(c, options_.own<NacOptions>().code_noise, draw, layer, context);
  }
  at::Tensor linear(const std::string& name, const at::Tensor& x) const {
    return at::linear(x, at(name + ".weight"), at(name + ".bias"));
  }
  at::Tensor norm(const std::string& name, const at::Tensor& x) const {
    return at::layer_norm(x, {x.size(-1)}, at(name + ".weight"), at(name + ".bias"), 1e-5);
  }
  at::Tensor scale(const std::string& name, const at::Tensor& code) const {
    const auto projected = at::linear(code, at(name + ".scale.weight"));
    return 1 +
           at(name + ".scale_gain") * at::layer_norm(projected, {projected.size(-1)}, {}, {}, 1e-5);
  }
  at::Tensor mod_fc(const std::string& name, const at::Tensor& x, const at::Tensor& code) const {
    const auto bias = tensors_.find(name + ".native_bias");
    return at::linear(x * scale(name, code), at(name + ".native_weight"),
                      bias == tensors_.end() ? at::Tensor() : bias->second);
  }
  at::Tensor heads(const at::Tensor& x) const {
    return x.unflatten(-1, {options_.heads, x.size(-1) / options_.heads});
  }
  at::Tensor seed(const at::Tensor& code, std::uint32_t group, std::int64_t batch,
                  const ForwardContext& context) const {
    const std::string seeder = "latent_graphs.0.latent_seeder.";
    const auto n = norm(seeder + "layernorm", noisy(code, nac::Draw::code, group, context));
    const auto mean = linear(seeder + "code_to_state_mu", n);
    if (!context.training) return mean.unsqueeze(0).expand({batch, -1, -1});
    const auto deviation = at::exp(0.5 * linear(seeder + "code_to_state_logvar", n));
    return mean + deviation * nac::sample_noise(nac::Law::normal, batch, mean.sizes(),
                                                mean.detach().options(), nac::Draw::state, group,
                                                context);
  }
  at::Tensor read_in(const at::Tensor& states, const at::Tensor& tokens,
                     const at::Tensor& code) const {
    const std::string prefix = "latent_graphs.0.read_in.";
    const auto x = states + read_in_attention(prefix + "read_in_attention.", states, tokens, code);
    return x + ffn(prefix + "ffn", x, code);
  }
  at::Tensor log_affinity(const std::string& prefix, const char* receivers, double truncation,
                          int layer, std::int64_t batch, const ForwardContext& context,
                          const Links& links) const {
    const auto signatures = [&](const char* group) {
      const auto& s = at(fmt::format("latent_graphs.0.{}_latents.signatures_", group));
      return s / s.norm(2, {1}, true).clamp_min(1e-12);
    };
    const auto distance = 1 - at::mm(signatures(receivers),
                                     at::cat({signatures("input"), signatures("mediator")}).t());
    const auto& bandwidth = at(prefix + "latent_attention.kernel.bandwidth");
    auto t = distance / bandwidth;
    const double infinity = std::numeric_limits<double>::infinity();
    if (truncation > 0) t = t.masked_fill(t.detach() > truncation / bandwidth.detach(), infinity);
    auto l = -t;
    if (context.training && truncation > 0) {
      const double eps = l.scalar_type() == at::kDouble
                             ? std::numeric_limits<double>::epsilon()
                             : double{std::numeric_limits<float>::epsilon()};
      const auto p = l.exp().clamp(0, 1).clamp(eps, 1 - eps);
      const auto u = links(layer, {batch, p.size(0), p.size(1)}).clamp(eps, 1 - eps);
      const auto z = (u.log() - (1 - u).log() + p.log() - (1 - p).log()) /
                     options_.own<NacOptions>().temperature;
      l = z.sigmoid().clamp(std::numeric_limits<double>::min(), 1 - eps).log();
    }
    return l - l.logsumexp({-1}, true);
  }
  at::Tensor attention(const std::string& layer, const char* sender_norm, const at::Tensor& states,
                       const at::Tensor& senders, const at::Tensor& receiver_codes,
                       const at::Tensor& sender_codes, const at::Tensor& affinity) const {
    const auto prefix = layer + "latent_attention.";
    const auto xr = norm(prefix + "receiver_layernorm", states),
               xs = norm(prefix + sender_norm, senders);
    const auto q = heads(mod_fc(prefix + "query_compiler", xr, receiver_codes)).transpose(1, 2),
               k = heads(mod_fc(prefix + "key_compiler", xs, sender_codes)).transpose(1, 2),
               v = heads(mod_fc(prefix + "value_compiler", xs, sender_codes)).transpose(1, 2);
    const auto score =
        at::matmul(q, k.transpose(2, 3)) / std::sqrt(static_cast<double>(q.size(-1))) +
        (affinity.dim() == 3 ? affinity.unsqueeze(1) : affinity);
    const auto message = at::matmul(score.softmax(-1), v).transpose(1, 2).flatten(2);
    return at(prefix + "layer_scale.gamma") *
           mod_fc(prefix + "exit_layer", message, receiver_codes);
  }

  std::map<std::string, at::Tensor> tensors_;
  ModelOptions options_;
  Chain chain_;
};

}  // namespace m2mkd::test
