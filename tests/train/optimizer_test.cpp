#include <cmath>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/random.hpp>
#include <m2mkd/nn/family.hpp>
#include <m2mkd/nn/moe.hpp>
#include <m2mkd/train/optimizer.hpp>

namespace m2mkd {
namespace {

at::Tensor noise(at::IntArrayRef shape, std::uint64_t key) {
  const auto x = at::empty(shape, at::kDouble);
  Random random(2, Purpose::test, key);
  for (std::int64_t k = 0; k < x.numel(); ++k) x.data_ptr<double>()[k] = random.normal();
  return x;
}

// Name, shape, and whether it decays.
struct Case {
  const char* name;
  std::vector<std::int64_t> shape;
  bool decays;
};
const std::vector<Case> kCases{{"stages/0/blocks.0.attn.qkv.weight", {6, 4}, true},
                               {"stages/0/blocks.0.attn.qkv.bias", {6}, false},
                               {"stages/0/blocks.0.norm1.weight", {4}, false},
                               {"stages/0/blocks.0.moe.experts.htoh4.weight", {3, 8, 4}, true},
                               {"stages/0/blocks.0.moe.experts.htoh4.bias", {3, 8}, false},
                               {"stages/0/pos_embed", {1, 5, 4}, false},
                               {"stages/0/cls_token", {1, 1, 4}, false}};

std::vector<Parameter> parameters() {
  std::vector<Parameter> list;
  for (const auto& c : kCases)
    list.push_back(
        {c.name,
         noise(c.shape, list.size()).requires_grad_(true),
         {},
         false,
         std::string(c.name).ends_with("pos_embed") || std::string(c.name).ends_with("cls_token")});
  return list;
}
void set_gradients(const std::vector<Parameter>& list, std::uint64_t step) {
  for (std::size_t i = 0; i < list.size(); ++i)
    at::Tensor(list[i].tensor).mutable_grad() = noise(list[i].tensor.sizes(), 100 * (step + 1) + i);
}
std::vector<at::Tensor> values(const std::vector<Parameter>& list) {
  std::vector<at::Tensor> all;
  for (const auto& p : list) all.push_back(p.tensor.detach().clone());
  return all;
}

TrainOptions options() {
  TrainOptions o;
  o.weight_decay = 0.3;
  o.beta1 = 0.8;
  o.beta2 = 0.99;
  o.adam_eps = 1e-5;
  return o;
}

TEST(AdamW, EqualsThePlainFormula) {
  const auto list = parameters();
  auto expected = values(list);
  const auto o = options();
  AdamW optimizer(list, o);
  std::vector<at::Tensor> m, v;
  for (const auto& x : expected) {
    m.push_back(at::zeros_like(x));
    v.push_back(at::zeros_like(x));
  }
  for (int step = 0; step < 5; ++step) {
    const double lr = 0.01 * (step + 1);
    set_gradients(list, static_cast<std::uint64_t>(step));
    optimizer.step(lr);
    for (std::size_t i = 0; i < list.size(); ++i) {
      const auto g = list[i].tensor.grad();
      m[i] = o.beta1 * m[i] + (1 - o.beta1) * g;
      v[i] = o.beta2 * v[i] + (1 - o.beta2) * g * g;
      const auto corrected_m = m[i] / (1 - std::pow(o.beta1, step + 1));
      const auto corrected_v = v[i] / (1 - std::pow(o.beta2, step + 1));
      const double decay = kCases[i].decays ? o.weight_decay : 0;
      expected[i] =
          expected[i] * (1 - lr * decay) - lr * corrected_m / (corrected_v.sqrt() + o.adam_eps);
    }
  }
  EXPECT_EQ(optimizer.updates(), 5);
  for (std::size_t i = 0; i < list.size(); ++i)
    EXPECT_LE((list[i].tensor - expected[i]).abs().max().item<double>(), 1e-12) << list[i].name;
}

TEST(AdamW, DecaysWeightsAlone) {
  const auto list = parameters();
  for (std::size_t i = 0; i < list.size(); ++i)
    EXPECT_EQ(decays(list[i], TrainOptions{}), kCases[i].decays) << list[i].name;
}

TEST(AdamW, DecaysEmbeddingsWhereAsked) {
  TrainOptions with_embeddings;
  with_embeddings.decay_embeddings = true;
  for (const auto& p : parameters()) {
    const bool embedding = p.name.ends_with("pos_embed") || p.name.ends_with("cls_token");
    EXPECT_EQ(decays(p, with_embeddings), embedding || decays(p, TrainOptions{})) << p.name;
  }
}

// Elements as published. Tensors cannot be compared: here the experts of a block are one.
TEST(AdamW, DecaysAsManyElementsOfVmoeBaseAsPublished) {
  ModelOptions model;
  model.model = family("vmoe");
  model.width = 768;
  model.heads = 12;
  model.patch = 16;
  model.depths = {3, 3, 3, 3};
  const Chain chain =
      make_chain(model, {3, 224, 1000}, 768, "student", at::TensorOptions(at::kMeta));
  std::int64_t decayed = 0, plain = 0;
  for (const auto& p : m2mkd::parameters(chain))
    (decays(p, TrainOptions{}) ? decayed : plain) += p.tensor.numel();
  EXPECT_EQ(plain, 597832);
  EXPECT_EQ(decayed, 482727936);
}

TEST(AdamW, GoesOnIdenticallyFromItsState) {
  const auto list = parameters(), copy = parameters();
  AdamW optimizer(list, options()), other(copy, options());
  for (std::uint64_t step = 0; step < 3; ++step) {
    set_gradients(list, step);
    optimizer.step(0.01);
  }
  for (std::size_t i = 0; i < list.size(); ++i)
    copy[i].tensor.detach().copy_(list[i].tensor.detach());
  auto state = optimizer.state();
  std::ranges::reverse(state);  // a file's order is no promise
  other.load(state, optimizer.updates());
  for (std::uint64_t step = 3; step < 6; ++step) {
    set_gradients(list, step);
    set_gradients(copy, step);
    optimizer.step(0.02);
    other.step(0.02);
  }
  const auto a = values(list), b = values(copy);
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(at::equal(a[i], b[i])) << list[i].name;
}

TEST(AdamW, NamesTheStateThatIsMissing) {
  AdamW optimizer(parameters(), options());
  auto state = optimizer.state();
  state.erase(state.begin());
  try {
    optimizer.load(state, 1);
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                testing::HasSubstr("optimizer/stages/0/blocks.0.attn.qkv.weight/exp_avg'"));
  }
}

TEST(AdamW, UpdatesWhereEveryParameterDecays) {
  auto list = parameters();
  list.erase(list.begin() + 1, list.end());
  const auto before = list.front().tensor.clone();
  AdamW optimizer(list, options());
  set_gradients(list, 0);
  optimizer.step(0.01);
  EXPECT_FALSE(at::equal(list.front().tensor, before));
}

}  // namespace
}  // namespace m2mkd
