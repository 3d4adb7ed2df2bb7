#include <cmath>

#include <ATen/ATen.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/random.hpp>
#include <m2mkd/nn/layers.hpp>

namespace m2mkd {
namespace {

constexpr Initial kSmallNormal{Initial::Kind::normal, 0.02};
constexpr Initial kZeros{Initial::Kind::zeros, 0.0};
constexpr Initial kOnes{Initial::Kind::ones, 0.0};

}  // namespace

void ParameterList::add(const std::string& name, const at::Tensor& tensor, Initial initial,
                        bool idle) {
  list_.push_back({name, tensor, initial, idle});
}

void ParameterList::add_embedding(const std::string& name, const at::Tensor& tensor,
                                  Initial initial) {
  add(name, tensor, initial);
  list_.back().embedding = true;
}

Linear::Linear(std::int64_t in, std::int64_t out, bool with_bias, at::TensorOptions options)
    : weight(at::empty({out, in}, options)) {
  if (with_bias) bias = at::empty({out}, options);
}

at::Tensor Linear::operator()(const at::Tensor& x) const {
  return at::linear(x, weight, bias);
}

void Linear::list(ParameterList& list, const std::string& prefix) const {
  list.add(prefix + ".weight", weight, kSmallNormal);
  if (bias.defined()) list.add(prefix + ".bias", bias, kZeros);
}

LayerNorm::LayerNorm(std::int64_t width, double epsilon, at::TensorOptions options)
    : weight(at::empty({width}, options)), bias(at::empty({width}, options)), eps(epsilon) {}

at::Tensor LayerNorm::operator()(const at::Tensor& x) const {
  return at::layer_norm(x, weight.sizes(), weight, bias, eps);
}

void LayerNorm::list(ParameterList& list, const std::string& prefix) const {
  list.add(prefix + ".weight", weight, kOnes);
  list.add(prefix + ".bias", bias, kZeros);
}

Stitch::Stitch(std::int64_t in, std::int64_t out, bool with_norm, at::TensorOptions options)
    : fc(in, out, true, options) {
  if (with_norm) ln.emplace(in, 1e-5, options);
}

at::Tensor Stitch::operator()(const at::Tensor& x) const {
  return fc(ln ? (*ln)(x) : x);
}

void Stitch::list(ParameterList& list, const std::string& prefix) const {
  if (ln) ln->list(list, prefix + ".ln");
  fc.list(list, prefix + ".fc");
}

Attention::Attention(std::int64_t width, std::int64_t head_count, bool qkv_bias,
                     at::TensorOptions options)
    : qkv(width, 3 * width, qkv_bias, options),
      proj(width, width, true, options),
      heads(head_count) {}

at::Tensor Attention::operator()(const at::Tensor& x) const {
  const auto batch = x.size(0), count = x.size(1), width = x.size(2);
  // (B, N, 3·C) → 3 × (B, heads, N, C / heads)
  const auto parts =
      qkv(x).view({batch, count, 3, heads, width / heads}).permute({2, 0, 3, 1, 4}).unbind(0);
  const auto mixed = at::scaled_dot_product_attention(parts[0], parts[1], parts[2]);
  return proj(mixed.transpose(1, 2).reshape({batch, count, width}));
}

at::Tensor Attention::class_token(const at::Tensor& x) const {
  const auto batch = x.size(0), count = x.size(1), width = x.size(2), head = width / heads;
  const auto rows = [&](std::int64_t first, std::int64_t number, const at::Tensor& input) {
    const auto b = qkv.bias.defined() ? qkv.bias.narrow(0, first, number) : at::Tensor();
    return at::linear(input, qkv.weight.narrow(0, first, number), b);
  };
  // Keys and values of every token, the query of token 0 alone.
  const auto query = rows(0, width, x.narrow(1, 0, 1)).view({batch, 1, heads, head});
  const auto parts = rows(width, 2 * width, x)
                         .view({batch, count, 2, heads, head})
                         .permute({2, 0, 3, 1, 4})
                         .unbind(0);
  const auto mixed = at::scaled_dot_product_attention(query.transpose(1, 2), parts[0], parts[1]);
  return proj(mixed.transpose(1, 2).reshape({batch, 1, width}));
}

void Attention::list(ParameterList& list, const std::string& prefix) const {
  qkv.list(list, prefix + ".qkv");
  proj.list(list, prefix + ".proj");
}

Mlp::Mlp(std::int64_t width, std::int64_t hidden, at::TensorOptions options)
    : fc1(width, hidden, true, options), fc2(hidden, width, true, options) {}

at::Tensor Mlp::operator()(const at::Tensor& x) const {
  return fc2(at::gelu(fc1(x)));
}

void Mlp::list(ParameterList& list, const std::string& prefix) const {
  fc1.list(list, prefix + ".fc1");
  fc2.list(list, prefix + ".fc2");
}

at::Tensor resample_tokens(const at::Tensor& x, std::int64_t count) {
  if (x.size(1) == count) return x;
  const auto side = [](std::int64_t tokens) {
    const auto s = std::llround(std::sqrt(static_cast<double>(tokens - 1)));
    require(s * s == tokens - 1, "resample_tokens: the tokens are no square grid");
    return s;
  };
  const auto from = side(x.size(1)), to = side(count);
  const auto grid =
      x.narrow(1, 1, from * from).transpose(1, 2).reshape({x.size(0), x.size(2), from, from});
  const auto resized = at::upsample_bilinear2d(grid, {to, to}, /*align_corners=*/false);
  return at::cat({x.narrow(1, 0, 1), resized.flatten(2).transpose(1, 2)}, 1);
}

at::Tensor drop_path(const at::Tensor& branch, double rate, std::uint32_t layer,
                     const ForwardContext& context) {
  if (!context.training || rate <= 0) return branch;
  const auto batch = branch.size(0);
  const double keep = 1 - rate;
  auto scale = at::empty({batch}, at::kDouble);
  auto* values = scale.data_ptr<double>();
  Random random(context.seed, Purpose::drop_path, context.step, layer);
  for (std::int64_t i = 0; i < batch; ++i) {
    // A uniform number takes two words, so a sample's place in the stream is twice its position.
    random.seek(2 * static_cast<std::uint64_t>(context.first + i));
    values[i] = std::floor(keep + random.uniform()) / keep;
  }
  std::vector<std::int64_t> shape(static_cast<std::size_t>(branch.dim()), 1);
  shape[0] = batch;
  return branch * scale.view(shape).to(branch.options());
}

}  // namespace m2mkd
