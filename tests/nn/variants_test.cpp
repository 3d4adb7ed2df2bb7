// Forms of a stage that settings choose: stitches without norm, other drop-path ramps, resampled
// tokens, upcycled experts.

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "../../src/nn/vit/stages.hpp"
#include "nn/small_models.hpp"

namespace m2mkd {
namespace {

using namespace test;

TEST(Stitch, WithoutNormIsTheLinearAlone) {
  auto options = student_options();
  const auto with = make_distill_form(options, kShape, 1, 32, at::kDouble);
  options.stitch_norm = false;
  const auto without = make_distill_form(options, kShape, 1, 32, at::kDouble);
  EXPECT_EQ(parameter_count({"", {with}, nullptr}) - parameter_count({"", {without}, nullptr}),
            2 * 32 + 2 * 24);  // scale and shift at both ends
  for (const auto& parameter : without->parameters())
    EXPECT_EQ(parameter.name.find("stitch.ln"), std::string::npos) << parameter.name;
  const Stitch stitch(32, 24, false, at::kDouble);
  stitch.fc.weight.copy_(filled("weight", {24, 32}));
  stitch.fc.bias.copy_(filled("bias", {24}));
  const auto x = filled("x", {2, 5, 32});
  EXPECT_LT(difference(stitch(x), at::matmul(x, stitch.fc.weight.t()) + stitch.fc.bias), 1e-14);
}

// reference/vmoe §1.5: in every module 0, 0.05, 0.1.
TEST(DropPathRamp, OfAModuleStartsAnew) {
  auto options = student_options();
  options.depths = {3, 3, 3};
  options.drop_path = 0.1;
  options.ramp = DropPathRamp{{0, 0, 0}, 3};
  for (int stage = 0; stage < 3; ++stage) {
    const auto rates = drop_path_rates(options, stage);
    ASSERT_EQ(rates.size(), 3u);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(rates[i], 0.05 * static_cast<double>(i), 1e-15);
  }
}

// reference/vmoe §1.3: DeiT-L's first stage among nine layers: 0 … 0.0625, then 0.075, 0.0875, 0.1.
TEST(DropPathRamp, OfAHybridRunsOverItsDepth) {
  ModelOptions teacher, meta;
  teacher.depths = {6, 6, 6, 6};
  meta.depths = {1, 1, 1, 1};
  teacher.drop_path = meta.drop_path = 0.1;
  teacher.ramp = meta.ramp = DropPathRamp{{0, 6, 7, 8}, 9};
  const auto target = drop_path_rates(teacher, 0);
  for (std::size_t i = 0; i < 6; ++i)
    EXPECT_NEAR(target[i], 0.0125 * static_cast<double>(i), 1e-15);
  for (int i = 1; i < 4; ++i)
    EXPECT_NEAR(drop_path_rates(meta, i).at(0), 0.0625 + 0.0125 * i, 1e-15);
}

TEST(ResampleTokens, KeepsTheClassTokenAndLinearGrids) {
  // Values that are linear in row and column stay so inside the grid, whatever its size.
  const auto grid = [](std::int64_t side) {
    auto x = at::empty({1, 1 + side * side, 2}, at::kDouble);
    x[0][0] = at::tensor({-7.0, 9.0}, at::kDouble);
    for (std::int64_t r = 0; r < side; ++r)
      for (std::int64_t c = 0; c < side; ++c) {
        const auto at_place = [&](std::int64_t i) {
          return (static_cast<double>(i) + 0.5) / static_cast<double>(side);
        };
        x[0][1 + r * side + c] = at::tensor({at_place(r), 2 - at_place(c)}, at::kDouble);
      }
    return x;
  };
  EXPECT_TRUE(at::equal(resample_tokens(grid(6), 37), grid(6)));
  const auto up = resample_tokens(grid(6), 1 + 64), wanted = grid(8);
  EXPECT_TRUE(at::equal(up[0][0], wanted[0][0]));
  for (const int r : {1, 4, 6})
    for (const int c : {1, 3, 6})
      EXPECT_LT(difference(up[0][1 + 8 * r + c], wanted[0][1 + 8 * r + c]), 1e-12);
  EXPECT_THROW(resample_tokens(at::zeros({1, 7, 2}), 17), std::logic_error);
}

TEST(ResampleTokens, AtTheEndsOfAStage) {
  // Patch 8 of 32 pixels: 17 tokens; in a chain of 65 (patch 4).
  const auto options = student_options();
  const auto first = make_distill_form(options, kShape, 0, {32, 65, true}, at::kFloat),
             middle = make_distill_form(options, kShape, 1, {32, 65, true}, at::kFloat),
             last = make_distill_form(options, kShape, 2, {32, 65, true}, at::kFloat),
             plain = make_distill_form(options, kShape, 1, {32}, at::kFloat);
  for (const auto& stage : {first, middle, last, plain}) fill_stage(*stage, "x.");
  const auto x = filled("x", {2, 65, 32}).to(at::kFloat);
  EXPECT_EQ(first->forward(filled_images(2, at::kFloat), {}).size(1), 65);
  EXPECT_EQ(first->tokens_out(0), 65);
  EXPECT_EQ(middle->tokens_out(65), 65);
  EXPECT_TRUE(at::equal(middle->forward(x, {}),
                        resample_tokens(plain->forward(resample_tokens(x, 17), {}), 65)));
  EXPECT_EQ(last->forward(x, {}).sizes(), (std::vector<std::int64_t>{2, 10}));
  EXPECT_EQ(middle->cost(65).forward.executed, plain->cost(17).forward.executed);
}

TEST(Upcycle, GivesTheDenseNetworksLogitsWhateverTheGatesSay) {
  auto options = student_options();
  options.own<VmoeOptions>().moe_blocks = "1 2 5";
  auto dense_options = options;
  dense_options.model = family("vit");
  const auto dense = filled_chain(dense_options, "dense", at::kDouble);
  const auto sparse = filled_chain(options, "student", at::kDouble);
  const auto gates = find(*sparse.stages[0], "blocks.1.moe.gate.gate.weight").tensor.clone();
  const auto report =
      load(sparse, options.model->upcycle(state(dense), options), "dense", {},
           [](const auto& name) { return family("vmoe")->fresh_in_upcycling(name); });
  EXPECT_EQ(report.fresh.size(), 6u);  // weight and bias of three gates
  EXPECT_EQ(report.copied.size() + report.fresh.size(), state(sparse).size());
  EXPECT_TRUE(at::equal(find(*sparse.stages[0], "blocks.1.moe.gate.gate.weight").tensor, gates));
  const auto x = filled_images(3, at::kDouble);
  EXPECT_LT(difference(sparse.forward(x, {}), dense.forward(x, {})), 1e-12);
}

}  // namespace
}  // namespace m2mkd
