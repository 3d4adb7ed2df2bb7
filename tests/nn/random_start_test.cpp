// Initialisation and drop-path: random, and the same however the work is cut.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <m2mkd/nn/initialise.hpp>
#include <m2mkd/nn/layers.hpp>

#include "../../src/nn/vit/stages.hpp"
#include "nn/small_models.hpp"

namespace m2mkd {
namespace {

using namespace test;

ModelOptions wide() {
  auto o = student_options();
  o.width = 96;
  return o;
}

Parameter find(const Chain& chain, const std::string& name) {
  for (const auto& p : parameters(chain))
    if (p.name == name) return p;
  throw std::logic_error("no parameter " + name);
}

TEST(Initialise, StartsAStageAlikeAloneAndInTheWhole) {
  const auto whole = make_chain(wide(), kShape, 96, "student", at::kFloat);
  initialise(whole, 7);
  Chain alone{
      "student", {nullptr, make_stage(wide(), kShape, 1, 96, at::kFloat), nullptr}, nullptr};
  initialise(alone, 7);
  for (const auto& p : parameters(alone))
    EXPECT_TRUE(at::equal(p.tensor, find(whole, p.name).tensor)) << p.name;
}

TEST(Initialise, DependsOnSeedRoleAndName) {
  const auto weight = [](const std::string& role, std::uint64_t seed, const std::string& name) {
    const auto chain = make_chain(wide(), kShape, 96, role, at::kFloat);
    initialise(chain, seed);
    return find(chain, name).tensor;
  };
  const auto base = weight("student", 7, "stages/0/blocks.0.attn.proj.weight");
  EXPECT_TRUE(at::equal(base, weight("student", 7, "stages/0/blocks.0.attn.proj.weight")));
  EXPECT_FALSE(at::equal(base, weight("student", 8, "stages/0/blocks.0.attn.proj.weight")));
  EXPECT_FALSE(at::equal(base, weight("teacher", 7, "stages/0/blocks.0.attn.proj.weight")));
  EXPECT_FALSE(at::equal(base, weight("student", 7, "stages/0/blocks.1.attn.proj.weight")));
}

TEST(Initialise, DoesNotDependOnThreads) {
  const int threads = at::get_num_threads();
  std::vector<at::Tensor> weights;
  for (int n : {1, 2}) {
    at::set_num_threads(n);
    const auto chain = make_chain(wide(), kShape, 96, "student", at::kFloat);
    initialise(chain, 7);
    weights.push_back(find(chain, "stages/0/blocks.0.moe.experts.htoh4.weight").tensor);
  }
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(weights[0], weights[1]));
}

TEST(Initialise, RoundsTheSameNumbersToEveryType) {
  const auto a = make_chain(wide(), kShape, 96, "student", at::kFloat);
  const auto b = make_chain(wide(), kShape, 96, "student", at::kDouble);
  initialise(a, 7);
  initialise(b, 7);
  const auto p = parameters(a), q = parameters(b);
  for (std::size_t i = 0; i < p.size(); ++i)
    EXPECT_TRUE(at::equal(p[i].tensor, q[i].tensor.to(at::kFloat))) << p[i].name;
}

TEST(Initialise, FollowsTheRuleOfEachParameter) {
  const auto chain = make_chain(wide(), kShape, 96, "student", at::kDouble);
  initialise(chain, 7);
  const auto at_name = [&](const std::string& name) {
    return find(chain, "stages/0/" + name).tensor;
  };
  const auto expect_uniform = [&](const std::string& name, double bound) {
    const auto t = at_name(name);
    const double largest = t.abs().max().item<double>();
    EXPECT_LE(largest, bound) << name;
    EXPECT_GT(largest, 0.9 * bound) << name;
    EXPECT_NEAR(t.mean().item<double>(), 0,
                4 * bound / std::sqrt(3.0 * static_cast<double>(t.numel())))
        << name;
  };
  expect_uniform("patch_embed.proj.weight", 1 / std::sqrt(3 * 64.0));
  expect_uniform("patch_embed.proj.bias", 1 / std::sqrt(3 * 64.0));
  expect_uniform("blocks.0.moe.experts.htoh4.weight", 1 / std::sqrt(96.0));
  expect_uniform("blocks.0.moe.experts.htoh4.bias", 1 / std::sqrt(96.0));
  expect_uniform("blocks.0.moe.experts.h4toh.weight", 1 / std::sqrt(384.0));
  expect_uniform("blocks.0.moe.gate.gate.weight", 1 / std::sqrt(96.0));
  EXPECT_NEAR(at_name("blocks.0.attn.qkv.weight").std().item<double>(), 0.02, 5e-4);
  EXPECT_NEAR(at_name("pos_embed").std().item<double>(), 0.02, 2e-3);
  EXPECT_EQ(at_name("blocks.0.attn.qkv.bias").abs().max().item<double>(), 0);
  EXPECT_EQ(at_name("blocks.0.norm1.weight").min().item<double>(), 1);
}

TEST(Initialise, CanStartExpertsAsPublished) {
  auto options = wide();
  options.own<VmoeOptions>().expert_init = ExpertInit::published;
  const auto chain = make_chain(options, kShape, 96, "student", at::kDouble);
  initialise(chain, 7);
  const auto at_name = [&](const std::string& name) {
    return find(chain, "stages/0/blocks.0.moe." + name).tensor;
  };
  for (const auto* name : {"experts.htoh4", "experts.h4toh"}) {
    const double largest = at_name(std::string(name) + ".weight").abs().max().item<double>();
    EXPECT_LE(largest, 1 / (2 * 96.0));
    EXPECT_GT(largest, 0.9 / (2 * 96.0));
    EXPECT_EQ(at_name(std::string(name) + ".bias").abs().max().item<double>(), 0);
  }
  EXPECT_NEAR(at_name("gate.gate.weight").std().item<double>(), 0.02, 4e-3);
  EXPECT_EQ(at_name("gate.gate.bias").abs().max().item<double>(), 0);
}

TEST(Initialise, RefusesTensorsWithoutMemory) {
  EXPECT_THROW(
      initialise(make_chain(wide(), kShape, 96, "student", at::TensorOptions(at::kMeta)), 1),
      std::logic_error);
}

TEST(DropPath, DoesNotDependOnHowTheBatchIsCut) {
  auto options = student_options();
  options.drop_path = 0.5;
  const auto chain = filled_chain(options, "student", at::kDouble);
  const auto x = filled_images(8, at::kDouble);
  ForwardContext context;
  context.training = true;
  context.seed = 3;
  context.step = 11;
  const auto whole = chain.forward(x, context);
  const auto head = chain.forward(x.narrow(0, 0, 3), context);
  context.first = 3;
  const auto tail = chain.forward(x.narrow(0, 3, 5), context);
  EXPECT_LT(difference(whole, at::cat({head, tail})), 1e-12);
  context.first = 0;
  const auto misplaced = chain.forward(x.narrow(0, 3, 5), context);
  EXPECT_GT(difference(tail, misplaced), 1e-3) << "the noise must differ between samples";
}

TEST(DropPath, KeepsTheExpectationAndDrawsPerSampleStepAndLayer) {
  ForwardContext context;
  context.training = true;
  const auto ones = at::ones({20000, 2, 3}, at::kDouble);
  const auto mask = drop_path(ones, 0.3, 4, context);
  EXPECT_NEAR(mask.mean().item<double>(), 1, 0.02);
  EXPECT_TRUE(at::logical_or(mask.eq(0), mask.eq(1 / 0.7)).all().item<bool>());
  EXPECT_TRUE(at::equal(mask.amin(at::IntArrayRef{1, 2}), mask.amax(at::IntArrayRef{1, 2})));
  const auto share_equal = [&](const at::Tensor& other) {
    return mask.eq(other).to(at::kDouble).mean().item<double>();
  };
  EXPECT_NEAR(share_equal(drop_path(ones, 0.3, 5, context)), 0.58,
              0.02);  // 0.7² + 0.3²: independent
  context.step = 1;
  EXPECT_NEAR(share_equal(drop_path(ones, 0.3, 4, context)), 0.58, 0.02);
}

TEST(DropPath, IsOffOutsideTraining) {
  auto options = teacher_options();
  options.drop_path = 0.5;
  const auto chain = filled_chain(options, "teacher", at::kFloat);
  const auto plain = filled_chain(teacher_options(), "teacher", at::kFloat);
  const auto x = filled_images(4, at::kFloat);
  EXPECT_TRUE(at::equal(chain.forward(x, {}), plain.forward(x, {})));
  ForwardContext context;
  context.training = true;
  EXPECT_FALSE(at::equal(chain.forward(x, context), plain.forward(x, {})));
}

TEST(DropPath, RatesRunLinearlyOverTheWholeModel) {
  auto options = teacher_options();
  options.drop_path = 0.5;
  std::vector<double> rates;
  for (int stage = 0; stage < 3; ++stage)
    for (const double rate : drop_path_rates(options, stage)) rates.push_back(rate);
  ASSERT_EQ(rates.size(), 6u);
  for (std::size_t i = 0; i < rates.size(); ++i)
    EXPECT_NEAR(rates[i], 0.1 * static_cast<double>(i), 1e-15);
  options.depths = {1};
  EXPECT_EQ(drop_path_rates(options, 0), std::vector<double>{0});
}

TEST(DropPath, OfADistillFormIsThatOfItsPlaceInTheModel) {
  auto options = teacher_options();
  options.drop_path = 0.5;
  const auto chain = filled_chain(options, "teacher", at::kFloat);
  const auto form = make_distill_form(options, kShape, 1, 32, at::kFloat);
  fill_stage(*form, "teacher.stages.1.");
  const auto tokens = filled("tokens", {20, 17, 32}).to(at::kFloat);
  ForwardContext context;
  context.training = true;
  const auto y = form->forward(tokens, context);
  EXPECT_TRUE(at::equal(y, chain.forward(tokens, context, 1, 2)));
  EXPECT_FALSE(at::equal(y, form->forward(tokens, {})));
}

}  // namespace
}  // namespace m2mkd
