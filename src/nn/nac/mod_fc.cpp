#include "mod_fc.hpp"

#include <cmath>

#include <ATen/ATen.h>

namespace m2mkd::nac {
namespace {

Initial fan_in(std::int64_t in) {
  return {Initial::Kind::uniform, 1 / std::sqrt(static_cast<double>(in))};
}

}  // namespace

ModFc::ModFc(std::int64_t in, std::int64_t out, std::int64_t code, bool with_bias,
             at::TensorOptions options)
    : weight(at::empty({out, in}, options)),
      gain(at::empty({}, options)),
      scale_weight(at::empty({in, code}, options)) {
  if (with_bias) bias = at::empty({out}, options);
}

at::Tensor ModFc::scale(const at::Tensor& codes) const {
  return 1 + gain * at::layer_norm(at::linear(codes, scale_weight), {weight.size(1)}, {}, {}, 1e-5);
}

at::Tensor ModFc::operator()(const at::Tensor& x, const at::Tensor& codes) const {
  const at::Tensor s = scale(codes);
  if (codes.size(0) == 1) return at::linear(x, weight * s, bias);  // one code: folded into W
  return at::linear(x * s, weight, bias);
}

void ModFc::list(ParameterList& list, const std::string& prefix, double modulation) const {
  list.add(prefix + ".native_weight", weight, fan_in(weight.size(1)));
  if (bias.defined()) list.add(prefix + ".native_bias", bias, {});
  list.add(prefix + ".scale_gain", gain, {Initial::Kind::constant, modulation});
  list.add(prefix + ".scale.weight", scale_weight, fan_in(scale_weight.size(1)));
}

LayerScale::LayerScale(std::int64_t width, at::TensorOptions options)
    : gamma(at::empty({width}, options)) {}

void LayerScale::list(ParameterList& list, const std::string& prefix, double start) const {
  list.add(prefix + ".layer_scale.gamma", gamma, {Initial::Kind::constant, start});
}

ModFfn::ModFfn(std::int64_t width, std::int64_t hidden, std::int64_t code,
               at::TensorOptions options)
    : norm(width, 1e-5, options),
      in(width, 2 * hidden, code, true, options),
      out(hidden, width, code, true, options),
      layer_scale(width, options) {}

at::Tensor ModFfn::operator()(const at::Tensor& x, const at::Tensor& codes) const {
  const auto halves = in(norm(x), codes).chunk(2, -1);
  return layer_scale.gamma * out(halves[0] * at::gelu(halves[1]), codes);
}

void ModFfn::list(ParameterList& list, const std::string& prefix, double modulation,
                  double layer_scale_start) const {
  norm.list(list, prefix + ".layernorm");
  in.list(list, prefix + ".ffn.0", modulation);
  out.list(list, prefix + ".ffn.2", modulation);
  layer_scale.list(list, prefix, layer_scale_start);
}

void list_linear(ParameterList& list, const std::string& prefix, const Linear& linear,
                 bool idle_weight, bool idle_bias) {
  const auto start = fan_in(linear.weight.size(1));
  list.add(prefix + ".weight", linear.weight, start, idle_weight);
  if (linear.bias.defined()) list.add(prefix + ".bias", linear.bias, start, idle_bias);
}

}  // namespace m2mkd::nac
