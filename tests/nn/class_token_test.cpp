// The last block for the class token alone gives what the full block gives.

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <m2mkd/nn/vit.hpp>

#include "nn/small_models.hpp"

namespace m2mkd {
namespace {

using namespace test;

VitStageOptions last_stage(bool moe, bool class_token_only) {
  VitStageOptions o;
  o.width = 24;
  o.heads = 3;
  o.hidden = 96;
  o.drop_path = {0.2, 0.3};
  o.moe = {moe, moe};
  o.experts = {24, 96, 4, 2, ExpertInit::linear};
  o.owns_output = true;
  o.class_token_only = class_token_only;
  o.stitch_in = 32;
  return o;
}

class ClassToken : public testing::TestWithParam<bool> {};

TEST_P(ClassToken, OnlyEqualsTheFullBlockInOutputAndEveryGradient) {
  const VitStage full(last_stage(GetParam(), false), at::kDouble),
      only(last_stage(GetParam(), true), at::kDouble);
  ForwardContext context;
  context.training = true;
  context.seed = 5;
  std::vector<at::Tensor> inputs, outputs;
  for (const auto* stage : {&full, &only}) {
    fill_stage(*stage, "stage.");
    set_trainable(*stage, true);
    inputs.push_back(filled("tokens", {6, 17, 32}).requires_grad_(true));
    outputs.push_back(stage->forward(inputs.back(), context));
    (outputs.back() * filled("direction", {6, 10})).sum().backward();
  }
  EXPECT_LT(difference(outputs[0], outputs[1]), 1e-12);
  EXPECT_LT(difference(inputs[0].grad(), inputs[1].grad()), 1e-12);
  const auto a = full.parameters(), b = only.parameters();
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_LT(difference(a[i].tensor.grad(), b[i].tensor.grad()), 1e-12) << a[i].name;
    EXPECT_GT(a[i].tensor.grad().abs().max().item<double>(), 1e-9) << a[i].name;
  }
}

TEST_P(ClassToken, CostsLess) {
  const VitStage full(last_stage(GetParam(), false), at::kMeta),
      only(last_stage(GetParam(), true), at::kMeta);
  const Flops of_all = full.cost(17).forward, of_one = only.cost(17).forward;
  EXPECT_EQ(of_all.executed, of_all.published);
  EXPECT_EQ(of_one.published, of_all.published);
  EXPECT_LT(of_one.executed, 0.7 * of_all.executed);
}

INSTANTIATE_TEST_SUITE_P(DenseAndMoe, ClassToken, testing::Bool());

}  // namespace
}  // namespace m2mkd
