// Gradients against central differences in double, on a hybrid of frozen meta stages and a student
// with stitches.

#include <cmath>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include "nn/small_models.hpp"

namespace m2mkd {
namespace {

using namespace test;

struct Hybrid {
  Chain chain;
  StagePtr student;
  at::Tensor images = filled_images(3, at::kDouble);
  at::Tensor direction = filled("direction", {3, 10});

  explicit Hybrid(int index)
      : chain(filled_chain(meta_options(), "meta", at::kDouble)),
        student(filled_student(index, "student", at::kDouble)) {
    chain = splice(chain, index, student);
  }
  at::Tensor objective(const at::Tensor& x, int first = 0) const {
    return (at::log_softmax(chain.forward(x, {}, first), 1) * direction).sum();
  }
};

/// Compares `gradient` with central differences at a few elements spread over `leaf`, whose values
/// it moves.
template <class F>
void expect_gradient(at::Tensor leaf, const at::Tensor& gradient, const std::string& name,
                     F objective) {
  const c10::AutoGradMode no_grad(false);
  ASSERT_TRUE(gradient.defined()) << name;
  const double step = 2e-6;
  auto* values = leaf.data_ptr<double>();
  const auto flat = gradient.contiguous();
  for (std::int64_t i = 0; i < 5; ++i) {
    const auto element = i * (leaf.numel() - 1) / 4;
    const double kept = values[element];
    values[element] = kept + step;
    const double above = objective();
    values[element] = kept - step;
    const double below = objective();
    values[element] = kept;
    const double exact = flat.data_ptr<double>()[element];
    EXPECT_NEAR(exact, (above - below) / (2 * step), 2e-8 * std::max(1.0, std::abs(exact)))
        << name << " " << element;
  }
}

class Gradients : public testing::TestWithParam<int> {};

TEST_P(Gradients, OfEveryStudentParameterAgreeWithFiniteDifferences) {
  const Hybrid hybrid(GetParam());
  set_trainable(*hybrid.student, true);
  hybrid.objective(hybrid.images).backward();
  for (const auto& parameter : hybrid.student->parameters())
    expect_gradient(parameter.tensor, parameter.tensor.grad(), parameter.name,
                    [&] { return hybrid.objective(hybrid.images).item<double>(); });
  for (int i = 0; i < 3; ++i) {
    if (i == GetParam()) continue;
    for (const auto& frozen : hybrid.chain.stages[static_cast<std::size_t>(i)]->parameters())
      EXPECT_FALSE(frozen.tensor.grad().defined()) << i << " " << frozen.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Pairs, Gradients, testing::Values(0, 1, 2));

TEST(InputGradient, FlowsThroughFrozenStudentAndFrozenSuffix) {
  const Hybrid hybrid(1);
  auto tokens = filled("tokens", {3, 17, 32}).requires_grad_(true);
  for (int first : {1, 2}) {
    tokens.mutable_grad() = at::Tensor();
    hybrid.objective(tokens, first).backward();
    expect_gradient(tokens, tokens.grad(), fmt::format("input of stage {}", first),
                    [&] { return hybrid.objective(tokens, first).item<double>(); });
  }
}

TEST(PrefixGradient, ReachesTheFirstStageThroughTheStudent) {
  const Hybrid hybrid(1);
  set_trainable(*hybrid.chain.stages[0], true);
  hybrid.objective(hybrid.images).backward();
  for (const auto& parameter : hybrid.chain.stages[0]->parameters())
    expect_gradient(parameter.tensor, parameter.tensor.grad(), parameter.name,
                    [&] { return hybrid.objective(hybrid.images).item<double>(); });
}

}  // namespace
}  // namespace m2mkd
