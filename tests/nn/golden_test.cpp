// Numbers of the published Python's own classes on networks filled by the rule of fill_rule.hpp
// (fp32, CPU).

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "nn/small_models.hpp"

namespace m2mkd {
namespace {

using namespace test;

at::Tensor numbers(const std::vector<double>& values) {
  return at::tensor(values, at::kDouble);
}

const std::vector<double> kMetaLogits{0.798858, 1.274542,  -0.206072, -0.163832, 0.773780,
                                      0.461501, -1.038610, 0.655084,  0.218500,  0.579581};
const std::vector<double> kTeacherLogits[2]{{0.651637, 1.262530, -1.091757, -0.044344, -0.477098,
                                             -0.235839, -0.378959, 1.612673, 1.154199, -1.388204},
                                            {0.620013, 0.850338, 0.596591, -1.301227, -0.717329,
                                             0.306664, 0.077713, 1.066275, 0.767588, 0.561366}};
const std::vector<double> kStudentLogits[2]{{-0.631442, 0.836592, 1.352427, -1.098907, 0.940585,
                                             -0.062352, 1.089858, -0.015039, 0.448450, 0.411249},
                                            {-0.369191, -0.278248, 0.637910, -0.592206, 0.544713,
                                             0.699900, -0.797866, -1.570381, -0.341998, 0.997863}};

struct GoldenPair {
  double ce, kl, loss, gradient_norm;
  double gate, first_expert, last_bias, qkv;  ///< gradient norms of block 0
};
const GoldenPair kPairs[2]{
    {2.6084638, 0.3345651, 1.3209602, 4.0433668, 0.1682748, 0.5115809, 0.0968027, 0.8946595},
    {2.8462152, 0.4118989, 1.4437026, 2.0233941, 0.0955056, 0.4611772, 0.0159184, 0.2249784}};

/// Labels 1 7 3 9 mixed with their flip: λ = 0.7, smoothing 0.1.
at::Tensor mixed_targets() {
  const auto labels = at::tensor(std::vector<std::int64_t>{1, 7, 3, 9}, at::kLong);
  const auto smooth = at::one_hot(labels, 10).to(at::kFloat) * 0.9 + 0.01;
  return 0.7 * smooth + 0.3 * smooth.flip(0);
}

class Golden : public testing::TestWithParam<int> {
 protected:
  Chain meta = filled_chain(meta_options(), "meta", at::kFloat);
  Chain teacher = filled_chain(teacher_options(), "teacher", at::kFloat);
  at::Tensor images = filled_images(4, at::kFloat);
  ForwardContext context;
};

TEST(FillRule, GivesTheKnownNumbers) {
  const auto first = filled("input", {4});
  EXPECT_LT(difference(first, numbers({-0.80436331, 0.30472086, -0.59275145, -0.45111067})), 1e-8);
}

TEST_F(Golden, MetaLogits) {
  EXPECT_LT(difference(meta.forward(images, context)[0], numbers(kMetaLogits)), 1e-5);
}

TEST_P(Golden, TeacherHybridLogits) {
  const int pair = GetParam();
  const auto hybrid = splice(meta, pair, teacher.stages[static_cast<std::size_t>(pair)]);
  EXPECT_LT(difference(hybrid.forward(images, context)[0], numbers(kTeacherLogits[pair])), 1e-5);
}

TEST_P(Golden, StudentHybridLossAndGradients) {
  const int pair = GetParam();
  const auto& golden = kPairs[pair];
  const auto student = filled_student(pair, fmt::format("student{}", pair), at::kFloat);
  set_trainable(*student, true);
  const auto wanted =
      splice(meta, pair, teacher.stages[static_cast<std::size_t>(pair)]).forward(images, context);
  const auto logits = splice(meta, pair, student).forward(images, context);
  EXPECT_LT(difference(logits[0].detach(), numbers(kStudentLogits[pair])), 1e-5);

  const auto log_p = at::log_softmax(logits, 1), log_teacher = at::log_softmax(wanted, 1);
  const auto ce = -(mixed_targets() * log_p).sum(1).mean();
  const auto kl = (log_teacher.exp() * (log_teacher - log_p)).sum(1).mean();
  const auto loss = 0.5 * ce + 0.5 * kl / 10;  // the published form divides by the classes as well
  EXPECT_NEAR(ce.item<double>(), golden.ce, 1e-5);
  EXPECT_NEAR(kl.item<double>(), golden.kl, 1e-5);
  EXPECT_NEAR(loss.item<double>(), golden.loss, 1e-5);

  loss.backward();
  const auto gradient = [&](const std::string& name) { return find(*student, name).tensor.grad(); };
  double squares = 0;
  for (const auto& parameter : student->parameters())
    squares += parameter.tensor.grad().square().sum().item<double>();
  EXPECT_NEAR(std::sqrt(squares), golden.gradient_norm, 2e-5);
  EXPECT_NEAR(gradient("blocks.0.moe.gate.gate.weight").norm().item<double>(), golden.gate, 1e-5);
  EXPECT_NEAR(gradient("blocks.0.moe.experts.htoh4.weight")[0].norm().item<double>(),
              golden.first_expert, 1e-5);
  EXPECT_NEAR(gradient("blocks.0.moe.experts.h4toh.bias")[3].norm().item<double>(),
              golden.last_bias, 1e-5);
  EXPECT_NEAR(gradient("blocks.0.attn.qkv.weight").norm().item<double>(), golden.qkv, 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Pairs, Golden, testing::Values(0, 1));

}  // namespace
}  // namespace m2mkd
