#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <m2mkd/nn/moe.hpp>

#include "../../src/nn/vmoe/expert_mlp.hpp"
#include "nn/fill_rule.hpp"

namespace m2mkd {
namespace {

using test::filled;

struct Mixture {
  Moe moe;
  std::vector<Parameter> parameters;

  Mixture(MoeOptions options, at::ScalarType type) : moe(options, type) {
    ParameterList list;
    moe.list(list, "moe");
    parameters = list.take();
    for (auto& p : parameters) {
      p.tensor.copy_(filled(p.name, p.tensor.sizes(), 0.3));
      p.tensor.requires_grad_(true);
    }
  }
  at::Tensor operator[](const std::string& name) const {
    for (const auto& p : parameters)
      if (p.name == "moe." + name) return p.tensor;
    throw std::logic_error(name);
  }
};

double difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

/// Every expert for every token, weighted by a mask: the definition, and autograd's own gradients.
at::Tensor by_definition(const Mixture& m, const at::Tensor& x, std::int64_t k) {
  const auto [logits, choice] =
      at::topk(at::linear(x, m["gate.gate.weight"], m["gate.gate.bias"]), k, 1);
  const auto score = at::softmax(logits, 1);
  const auto w1 = m["experts.htoh4.weight"], w2 = m["experts.h4toh.weight"];
  auto sum = at::zeros_like(x);
  for (std::int64_t e = 0; e < w1.size(0); ++e) {
    const auto y = at::linear(at::gelu(at::linear(x, w1[e], m["experts.htoh4.bias"][e])), w2[e],
                              m["experts.h4toh.bias"][e]);
    sum = sum + y * (score * choice.eq(e)).sum(1, true);
  }
  return sum;
}

class MoeEquals : public testing::TestWithParam<std::pair<int, int>> {};

TEST_P(MoeEquals, ItsDefinitionInOutputAndGradients) {
  const auto [experts, k] = GetParam();
  const MoeOptions options{16, 40, experts, k, ExpertInit::linear};
  const Mixture fast(options, at::kDouble), slow(options, at::kDouble);
  auto x = filled("x", {53, 16}).requires_grad_(true),
       z = filled("x", {53, 16}).requires_grad_(true);
  const auto direction = filled("direction", {53, 16});
  const auto y = fast.moe(x, nullptr), expected = by_definition(slow, z, k);
  EXPECT_LT(difference(y, expected), 1e-12);
  (y * direction).sum().backward();
  (expected * direction).sum().backward();
  EXPECT_LT(difference(x.grad(), z.grad()), 1e-12);
  for (std::size_t i = 0; i < fast.parameters.size(); ++i)
    EXPECT_LT(difference(fast.parameters[i].tensor.grad(), slow.parameters[i].tensor.grad()), 1e-12)
        << fast.parameters[i].name;
}

INSTANTIATE_TEST_SUITE_P(Sizes, MoeEquals,
                         testing::Values(std::pair{4, 2}, std::pair{8, 1}, std::pair{5, 3},
                                         std::pair{3, 3}));

// A dense MLP with the weights of expert 0.
Mlp dense_of(const Mixture& m) {
  Mlp mlp(16, 40, at::kDouble);
  mlp.fc1.weight.copy_(m["experts.htoh4.weight"][0].detach());
  mlp.fc1.bias.copy_(m["experts.htoh4.bias"][0].detach());
  mlp.fc2.weight.copy_(m["experts.h4toh.weight"][0].detach());
  mlp.fc2.bias.copy_(m["experts.h4toh.bias"][0].detach());
  return mlp;
}

TEST(Moe, OfOneExpertIsTheDenseMlp) {
  const Mixture m({16, 40, 1, 1, ExpertInit::linear}, at::kDouble);
  const auto x = filled("x", {53, 16});
  EXPECT_LT(difference(m.moe(x, nullptr), dense_of(m)(x)), 1e-14);
}

// The scores of a token sum to 1, so copies of one MLP give its output whatever the gate says.
TEST(Moe, UpcycledFromADenseMlpGivesItsOutput) {
  const Mixture m({16, 40, 4, 2, ExpertInit::linear}, at::kDouble);
  for (const auto* name :
       {"experts.htoh4.weight", "experts.htoh4.bias", "experts.h4toh.weight", "experts.h4toh.bias"})
    for (int e = 1; e < 4; ++e) m[name].detach()[e].copy_(m[name].detach()[0]);
  const auto x = filled("x", {53, 16});
  EXPECT_LT(difference(m.moe(x, nullptr), dense_of(m)(x)), 1e-14);
}

TEST(Moe, GivesAnExpertWithoutTokensAZeroGradient) {
  const Mixture m({16, 40, 4, 2, ExpertInit::linear}, at::kDouble);
  m["gate.gate.bias"].detach()[2].fill_(-100);
  Routed routed;
  m.moe(filled("x", {53, 16}), &routed).square().sum().backward();
  EXPECT_EQ(routed.load[2].item<std::int64_t>(), 0);
  for (const auto* name : {"experts.htoh4.weight", "experts.htoh4.bias", "experts.h4toh.weight",
                           "experts.h4toh.bias"}) {
    const auto gradient = m[name].grad();
    EXPECT_EQ(gradient[2].abs().max().item<double>(), 0) << name;
    for (int e : {0, 1, 3}) EXPECT_GT(gradient[e].abs().max().item<double>(), 0) << name << e;
  }
}

TEST(Moe, TellsTheTokensOfEveryExpert) {
  const Mixture m({16, 40, 4, 2, ExpertInit::linear}, at::kFloat);
  Routed routed;
  m.moe(filled("x", {53, 16}).to(at::kFloat), &routed);
  EXPECT_EQ(routed.load.scalar_type(), at::kLong);
  for (int e = 0; e < 4; ++e)
    EXPECT_EQ(routed.load[e].item<std::int64_t>(), routed.choice.eq(e).sum().item<std::int64_t>());
}

TEST(Moe, GateMayLackItsBias) {
  MoeOptions options{16, 40, 4, 2, ExpertInit::linear};
  const Mixture with(options, at::kDouble);
  options.gate_bias = false;
  const Mixture without(options, at::kDouble);
  EXPECT_EQ(without.parameters.size(), with.parameters.size() - 1);
  NamedTensors state;
  without.moe.state(state, "moe");
  EXPECT_EQ(state.size(), 17u);
  const auto x = filled("x", {53, 16});
  EXPECT_GT(difference(with.moe(x, nullptr), without.moe(x, nullptr)), 1e-6);
  with["gate.gate.bias"].detach().zero_();
  EXPECT_EQ(difference(with.moe(x, nullptr), without.moe(x, nullptr)), 0);
}

TEST(Balance, IsOnePerSampleWhereGatesAreEvenAndMoreWhereTheyAreNot) {
  const auto even = at::zeros({12, 4}, at::kDouble);
  const auto choice = at::arange(12, at::kLong).remainder(4).unsqueeze(1);
  EXPECT_NEAR(balance({even, choice, {}}, 3, 0).item<double>(), 3, 1e-14);
  EXPECT_NEAR(balance({even, choice, {}}, 3, 2).item<double>(), 3, 1e-14);  // 2 samples, then 1
  auto one = even.clone();
  one.select(1, 0).fill_(50);
  EXPECT_NEAR(balance({one, at::zeros({12, 1}, at::kLong), {}}, 3, 0).item<double>(), 3 * 4, 1e-9);
}

TEST(Balance, IsAMeanOverEachMicroBatchWhateverTheForward) {
  const Mixture m({16, 40, 4, 2, ExpertInit::linear}, at::kDouble);
  const auto x = filled("x", {7 * 5, 16});  // 7 samples of 5 tokens, micro-batches of 2, 2, 2, 1
  Routed all;
  m.moe(x, &all);
  double sum = 0;
  for (const auto& [first, count] :
       std::vector<std::pair<int, int>>{{0, 2}, {2, 2}, {4, 2}, {6, 1}}) {
    Routed part;
    m.moe(x.narrow(0, first * 5, count * 5), &part);
    sum += balance(part, count, 2).item<double>();
  }
  EXPECT_NEAR(balance(all, 7, 2).item<double>(), sum, 1e-13);
  EXPECT_GT(std::abs(balance(all, 7, 0).item<double>() - sum), 1e-6);
}

TEST(Balance, MovesTheGateTowardsTheRarerExperts) {
  const Mixture m({16, 40, 4, 2, ExpertInit::linear}, at::kDouble);
  m["gate.gate.bias"].detach()[2].fill_(2);
  Routed routed;
  m.moe(filled("x", {53, 16}), &routed);
  balance(routed, 53, 0).backward();
  const auto gradient = m["gate.gate.bias"].grad();
  EXPECT_EQ(gradient.argmax().item<std::int64_t>(), 2);  // descent lowers the frequent one
  EXPECT_NEAR(gradient.sum().item<double>(), 0, 1e-12);
}

TEST(Moe, LeavesFrozenWeightsWithoutGradientButPassesTheInputs) {
  const Mixture m({16, 40, 4, 2, ExpertInit::linear}, at::kDouble);
  auto x = filled("x", {53, 16}).requires_grad_(true),
       z = filled("x", {53, 16}).requires_grad_(true);
  m.moe(x, nullptr).square().sum().backward();
  for (const auto& p : m.parameters) p.tensor.mutable_grad() = at::Tensor();
  for (const auto& p : m.parameters) at::Tensor(p.tensor).requires_grad_(false);
  m.moe(z, nullptr).square().sum().backward();
  EXPECT_TRUE(at::equal(x.grad(), z.grad()));
  for (const auto& p : m.parameters) EXPECT_FALSE(p.tensor.grad().defined()) << p.name;
}

TEST(Moe, StateViewsShareTheStackedMemory) {
  const Mixture m({16, 40, 4, 2, ExpertInit::linear}, at::kFloat);
  NamedTensors view;
  m.moe.state(view, "moe");
  ASSERT_EQ(view.size(), 2u + 4u * 4u);
  for (auto& [name, tensor] : view) {
    if (name == "moe.experts.3.h4toh.weight") {
      EXPECT_EQ(tensor.sizes(), (at::IntArrayRef{1, 16, 40}));
      tensor.fill_(7);
    }
    if (name == "moe.experts.3.h4toh.bias") {
      EXPECT_EQ(tensor.sizes(), (at::IntArrayRef{1, 16}));
    }
  }
  EXPECT_TRUE(m["experts.h4toh.weight"][3].eq(7).all().item<bool>());
  EXPECT_FALSE(m["experts.h4toh.weight"][2].eq(7).any().item<bool>());
}

// The grouped products that a GPU runs exist on a CPU too, for bf16 and fp32.
TEST(ExpertMlp, GroupedProductsEqualSlices) {
  const auto choice =
      at::tensor(std::vector<std::int64_t>{0, 3, 3, 0, 3, 1, 1, 0, 0, 3, 3, 1}, at::kLong)
          .view({6, 2});
  std::vector<std::vector<at::Tensor>> gradients;
  std::vector<at::Tensor> outputs;
  for (bool on_host : {true, false}) {
    std::vector<at::Tensor> leaves;
    const auto leaf = [&](const char* name, at::IntArrayRef shape) {
      return leaves.emplace_back(filled(name, shape, 0.5).to(at::kFloat).requires_grad_(true));
    };
    const auto x = leaf("x", {6, 16}), score = leaf("score", {6, 2});
    const ExpertWeights weights{leaf("w1", {4, 32, 16}), leaf("b1", {4, 32}),
                                leaf("w2", {4, 16, 32}), leaf("b2", {4, 16})};
    const auto routing = route(choice, 4, on_host);
    EXPECT_EQ(routing.rows.empty(), !on_host);
    outputs.push_back(expert_mlp(x, score, weights, routing));
    (outputs.back() * filled("direction", {6, 16}).to(at::kFloat)).sum().backward();
    auto& list = gradients.emplace_back();
    for (const auto& tensor : leaves) list.push_back(tensor.grad());
  }
  EXPECT_LT(difference(outputs[0], outputs[1]), 1e-6);
  for (std::size_t i = 0; i < gradients[0].size(); ++i)
    EXPECT_LT(difference(gradients[0][i], gradients[1][i]), 1e-6) << i;
  EXPECT_EQ(gradients[1][2][2].abs().max().item<double>(), 0) << "expert 2 has no tokens";
}

}  // namespace
}  // namespace m2mkd
