#include "tokenizer.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

namespace m2mkd::nac {
namespace {

constexpr Initial kSmallNormal{Initial::Kind::normal, 0.02};
constexpr Initial kZeros{};
constexpr std::int64_t kKernel = 7, kExpansion = 4;

// (B, C, H, W) ↔ (B, H, W, C)
at::Tensor channels_last(const at::Tensor& x) {
  return x.permute({0, 2, 3, 1});
}
at::Tensor channels_first(const at::Tensor& x) {
  return x.permute({0, 3, 1, 2});
}

}  // namespace

Tokenizer::Conv::Conv(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t groups,
                      at::TensorOptions tensor)
    : weight(at::empty({out, in / groups, kernel, kernel}, tensor)),
      bias(at::empty({out}, tensor)) {}

void Tokenizer::Conv::list(ParameterList& list, const std::string& prefix) const {
  list.add(prefix + ".weight", weight, kSmallNormal);
  list.add(prefix + ".bias", bias, kZeros);
}

Tokenizer::Tokenizer(const ModelOptions& options, const ImageShape& shape, at::TensorOptions tensor)
    : sizes_(options, shape),
      grid_(
          at::empty({options.own<NacOptions>().position_width, sizes_.grid, sizes_.grid}, tensor)) {
  for (std::int64_t i = 0; i < sizes_.levels; ++i) {
    const auto width = sizes_.level_width(i), before = i == 0 ? 0 : sizes_.level_width(i - 1);
    Level level{i == 0 ? Conv(shape.channels, width, sizes_.stem, 1, tensor)
                       : Conv(before, width, 2, 1, tensor),
                LayerNorm(i == 0 ? width : before, 1e-6, tensor),
                {}};
    for (std::int64_t b = 0;
         b < options.own<NacOptions>().tokenizer_depths[static_cast<std::size_t>(i)]; ++b)
      level.blocks.push_back(
          {Conv(width, width, kKernel, width, tensor), LayerNorm(width, 1e-6, tensor),
           Linear(width, kExpansion * width, true, tensor),
           Linear(kExpansion * width, width, true, tensor), at::empty({width}, tensor)});
    levels_.push_back(std::move(level));
  }
}

// (B, H, W, C) → the same.
at::Tensor Tokenizer::block(const Block& b, const at::Tensor& x) const {
  const auto mixed =
      channels_last(at::conv2d(channels_first(x), b.depthwise.weight, b.depthwise.bias, 1,
                               kKernel / 2, 1, b.depthwise.weight.size(0)));
  return x + b.gamma * b.out(at::gelu(b.in(b.norm(mixed))));
}

at::Tensor Tokenizer::operator()(const at::Tensor& images) const {
  at::Tensor x;
  for (std::size_t i = 0; i < levels_.size(); ++i) {
    const auto& level = levels_[i];
    const auto stride = i == 0 ? sizes_.stem : 2;
    const auto in = i == 0 ? images : channels_first(level.norm(x));
    x = channels_last(at::conv2d(in, level.down.weight, level.down.bias, stride));
    if (i == 0) x = level.norm(x);
    for (const auto& b : level.blocks) x = block(b, x);
  }
  const auto batch = images.size(0), side = sizes_.grid;
  const auto positions =
      grid_.permute({1, 2, 0}).unsqueeze(0).expand({batch, side, side, grid_.size(0)});
  return at::cat({x, positions}, 3).flatten(1, 2);
}

void Tokenizer::list(ParameterList& list, const std::string& prefix) const {
  const auto down = prefix + ".backbone.downsample_layers.";
  for (std::size_t i = 0; i < levels_.size(); ++i) {
    const auto& level = levels_[i];
    if (i > 0) level.norm.list(list, fmt::format("{}{}.0", down, i));
    level.down.list(list, fmt::format("{}{}.{}", down, i, i == 0 ? 0 : 1));
    if (i == 0) level.norm.list(list, down + "0.1");
  }
  for (std::size_t i = 0; i < levels_.size(); ++i)
    for (std::size_t j = 0; j < levels_[i].blocks.size(); ++j) {
      const auto& b = levels_[i].blocks[j];
      const auto name = fmt::format("{}.backbone.stages.{}.{}", prefix, i, j);
      list.add(name + ".gamma", b.gamma, {Initial::Kind::constant, 1e-6});
      b.depthwise.list(list, name + ".dwconv");
      b.norm.list(list, name + ".norm");
      b.in.list(list, name + ".pwconv1");
      b.out.list(list, name + ".pwconv2");
    }
  list.add_embedding(prefix + ".positional_grid.grid", grid_, {Initial::Kind::normal, 1});
}

Work Tokenizer::work() const {
  Work work;
  auto side = sizes_.side / sizes_.stem;
  for (std::size_t i = 0; i < levels_.size(); ++i) {
    const auto& level = levels_[i];
    if (i > 0) side /= 2;
    const auto pixels = static_cast<double>(side * side);
    work.weights += 2 * pixels * static_cast<double>(level.down.weight.numel());
    for (const auto& b : level.blocks)
      work.weights += 2 * pixels *
                      static_cast<double>(b.depthwise.weight.numel() + b.in.weight.numel() +
                                          b.out.weight.numel());
  }
  return work;
}

double Tokenizer::image_work() const {
  const auto side = sizes_.side / sizes_.stem;
  return 2 * static_cast<double>(side * side) *
         static_cast<double>(levels_.front().down.weight.numel());
}

double Tokenizer::elements() const {
  double elements = 0;
  auto side = sizes_.side / sizes_.stem;
  for (std::size_t i = 0; i < levels_.size(); ++i) {
    if (i > 0) side /= 2;
    const auto width = sizes_.level_width(static_cast<std::int64_t>(i));
    elements += static_cast<double>(side * side * width) *
                (2 + static_cast<double>(levels_[i].blocks.size()) * (4 + 2 * kExpansion));
  }
  return elements;
}

}  // namespace m2mkd::nac
