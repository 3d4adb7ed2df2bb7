// Losses, gradients and one optimizer step of the published Python's own classes, on networks
// filled by the rule of fill_rule.hpp (fp32, CPU; reference/vmoe §9).

#include <cmath>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <m2mkd/train/objective.hpp>
#include <m2mkd/train/optimizer.hpp>

#include "nn/small_models.hpp"

namespace m2mkd {
namespace {

using namespace test;

constexpr std::int64_t kImages = 4;

struct GoldenPair {
  double ce, kl, loss, gradient_norm;
  double gate, first_expert, last_bias, qkv;  ///< gradient norms of block 0
};
const GoldenPair kPairs[2]{
    {2.6084638, 0.3345651, 1.3209602, 4.0433668, 0.1682748, 0.5115809, 0.0968027, 0.8946595},
    {2.8462152, 0.4118989, 1.4437026, 2.0233941, 0.0955056, 0.4611772, 0.0159184, 0.2249784}};

const ObjectiveOptions kPublished{0.5, 1, KdPer::element, CeWeight::complement};

at::Tensor labels() {
  return at::tensor({1, 7, 3, 9}, at::kLong);
}

/// Labels 1 7 3 9 mixed with their flip: λ = 0.7, smoothing 0.1.
at::Tensor mixed_targets() {
  const auto smooth = at::one_hot(labels(), 10).to(at::kFloat) * 0.9 + 0.01;
  return 0.7 * smooth + 0.3 * smooth.flip(0);
}

/// A student stage in the meta, compared with the teacher's.
struct Pair {
  Chain meta = filled_chain(meta_options(), "meta", at::kFloat);
  Chain teacher = filled_chain(teacher_options(), "teacher", at::kFloat);
  at::Tensor images = filled_images(kImages, at::kFloat);
  int index;
  StagePtr student;

  explicit Pair(int i)
      : index(i), student(filled_student(i, fmt::format("student{}", i), at::kFloat)) {
    set_trainable(*student, true);
  }
  Losses losses(const ObjectiveOptions& options) const {
    const auto wanted = splice(meta, index, teacher.stages[static_cast<std::size_t>(index)])
                            .forward(images, ForwardContext{});
    const auto logits = splice(meta, index, student).forward(images, ForwardContext{});
    return objective(logits, labels(), mixed_targets(), soften(std::vector{wanted}, options),
                     options);
  }
  /// Gradients of the mean loss.
  void backward(const ObjectiveOptions& options) const {
    (losses(options).loss / kImages).backward();
  }
  at::Tensor gradient(const std::string& name) const { return find(*student, name).tensor.grad(); }
};

class GoldenLoss : public testing::TestWithParam<int> {
 protected:
  const GoldenPair& golden = kPairs[GetParam()];
  Pair pair{GetParam()};
};

TEST_P(GoldenLoss, IsThePublishedOneWithThePublishedOptions) {
  const auto found = pair.losses(kPublished);
  EXPECT_NEAR(found.ce.item<double>() / kImages, golden.ce, 1e-5);
  EXPECT_NEAR(found.kl.item<double>() / kImages, golden.kl, 1e-5);
  EXPECT_NEAR(found.loss.item<double>() / kImages, golden.loss, 1e-5);
}

TEST_P(GoldenLoss, IsEquationThreeByDefault) {
  const auto found = pair.losses(ObjectiveOptions{});
  EXPECT_NEAR(found.loss.item<double>() / kImages, golden.ce + 0.5 * golden.kl, 1e-5);
}

TEST_P(GoldenLoss, HasThePublishedGradients) {
  pair.backward(kPublished);
  double squares = 0;
  for (const auto& parameter : pair.student->parameters())
    squares += parameter.tensor.grad().square().sum().item<double>();
  EXPECT_NEAR(std::sqrt(squares), golden.gradient_norm, 2e-5);
  const auto norm = [](const at::Tensor& x) { return x.norm().item<double>(); };
  const std::string moe = "blocks.0.moe.";
  EXPECT_NEAR(norm(pair.gradient(moe + "gate.gate.weight")), golden.gate, 1e-5);
  EXPECT_NEAR(norm(pair.gradient(moe + "experts.htoh4.weight")[0]), golden.first_expert, 1e-5);
  EXPECT_NEAR(norm(pair.gradient(moe + "experts.h4toh.bias")[3]), golden.last_bias, 1e-5);
  EXPECT_NEAR(norm(pair.gradient("blocks.0.attn.qkv.weight")), golden.qkv, 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Pairs, GoldenLoss, testing::Values(0, 1));

// A key's bias has no gradient but rounding noise, which AdamW makes large: it is left out.
double sum_without_key_biases(const Stage& stage) {
  const c10::NoGradGuard no_grad;
  double sum = 0;
  for (const auto& parameter : stage.parameters()) {
    auto x = parameter.tensor.to(at::kDouble);
    if (parameter.name.ends_with("qkv.bias")) {
      const auto width = x.size(0) / 3;
      x = at::cat({x.narrow(0, 0, width), x.narrow(0, 2 * width, width)});
    }
    sum += x.sum().item<double>();
  }
  return sum;
}

TEST(GoldenStep, IsThePublishedAdamWStep) {
  const Pair pair(0);
  pair.backward(kPublished);
  TrainOptions options;
  options.weight_decay = 0.05;
  AdamW(pair.student->parameters(), options).step(1e-3);

  EXPECT_NEAR(sum_without_key_biases(*pair.student), 168.25532, 1e-5);
  const auto expect_first = [&](const std::string& name, const std::vector<double>& wanted) {
    const auto first = find(*pair.student, name)
                           .tensor.detach()
                           .flatten()
                           .narrow(0, 0, static_cast<std::int64_t>(wanted.size()));
    EXPECT_LT(difference(first, at::tensor(wanted, at::kDouble)), 1e-6) << name;
  };
  expect_first("blocks.0.attn.qkv.weight", {0.122798, -0.022193, -0.169594, -0.051694});
  expect_first("pos_embed", {0.003024, 0.034408, 0.012267});
}

}  // namespace
}  // namespace m2mkd
