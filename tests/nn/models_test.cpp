#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <m2mkd/base/stopwatch.hpp>
#include <m2mkd/nn/family.hpp>
#include <m2mkd/nn/load.hpp>
#include <m2mkd/nn/moe.hpp>

namespace m2mkd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

const ImageShape kImageNet{3, 224, 1000};

ModelOptions deit(std::int64_t width, std::int64_t heads, std::vector<std::int64_t> depths) {
  ModelOptions o;
  o.width = width;
  o.heads = heads;
  o.patch = 16;
  o.depths = std::move(depths);
  return o;
}
ModelOptions deit_base() {
  return deit(768, 12, {3, 3, 3, 3});
}
ModelOptions deit_large() {
  return deit(1024, 16, {6, 6, 6, 6});
}
ModelOptions vmoe_base() {
  auto o = deit_base();
  o.model = family("vmoe");
  return o;
}
ModelOptions vmoe_large() {
  auto o = deit_large();
  o.model = family("vmoe");
  o.own<VmoeOptions>().moe_blocks = "odd";
  return o;
}

Chain on_meta(const ModelOptions& options, std::int64_t outer = 0) {
  return make_chain(options, kImageNet, outer, "model", at::TensorOptions(at::kMeta));
}
std::vector<std::int64_t> per_stage(const Chain& chain) {
  std::vector<std::int64_t> counts;
  for (const auto& stage : chain.stages) counts.push_back(parameter_count({"", {stage}, nullptr}));
  return counts;
}

struct Gigaflop {
  double full, forward, both;
};
Gigaflop gigaflop(const ModelOptions& options) {
  Gigaflop sum{};
  std::int64_t tokens = 0;
  for (const auto& stage : on_meta(options).stages) {
    const auto cost = stage->cost(tokens);
    tokens = stage->tokens_out(tokens);
    sum.full += cost.forward.published / 1e9;
    sum.forward += cost.forward.executed / 1e9;
    sum.both += (cost.forward + cost.backward).executed / 1e9;
  }
  return sum;
}

TEST(Models, HaveTheirPublishedParameterCounts) {
  EXPECT_EQ(parameter_count(on_meta(deit_base())), 86567656);
  EXPECT_THAT(per_stage(on_meta(deit_base())), ElementsAre(22006272, 21263616, 21263616, 22034152));
  EXPECT_EQ(parameter_count(on_meta(deit(768, 12, {1, 1, 1, 1}))), 29864680);
  EXPECT_THAT(per_stage(on_meta(deit_large())),
              ElementsAre(76567552, 75577344, 75577344, 76604392));
  EXPECT_EQ(parameter_count(on_meta(deit(1024, 16, {1, 1, 1, 1}))), 52402152);
  EXPECT_EQ(parameter_count(on_meta(vmoe_base())), 483325768);
  EXPECT_THAT(per_stage(on_meta(vmoe_base())),
              ElementsAre(121195800, 120453144, 120453144, 121223680));
  EXPECT_EQ(parameter_count(on_meta(vmoe_large())), 1009498184);
}

TEST(Models, CountKeptStitchesAndThoseOfTheDistillForm) {
  auto base = vmoe_base(), large = vmoe_large();
  base.keep_stitches = large.keep_stitches = true;
  EXPECT_EQ(parameter_count(on_meta(base, 1024)), 488060488);
  EXPECT_EQ(parameter_count(on_meta(large, 1280)), 1017383240);
  std::vector<std::int64_t> counts;
  for (int i = 0; i < 4; ++i) {
    const auto form =
        make_distill_form(vmoe_base(), kImageNet, i, 1024, at::TensorOptions(at::kMeta));
    counts.push_back(parameter_count({"", {form}, nullptr}));
  }
  EXPECT_THAT(counts, ElementsAre(121984792, 122031384, 122031384, 122012928));
}

TEST(Models, OfABillionParametersAreBuiltAtOnceOnTheMetaDevice) {
  const Stopwatch watch;
  on_meta(vmoe_large());
  EXPECT_LT(watch.seconds(), 1.0);
}

TEST(Models, StitchOnlyWhereTheRuleSaysSo) {
  auto options = vmoe_base();
  const auto names = [&](std::int64_t outer) {
    std::string text;
    for (int i : {0, 1, 3})
      for (const auto& p :
           make_distill_form(options, kImageNet, i, outer, at::TensorOptions(at::kMeta))
               ->parameters())
        if (p.name.ends_with("stitch.fc.weight")) text += fmt::format("{}:{} ", i, p.name);
    return text;
  };
  const std::string all =
      "0:blocks.2.post_stitch.fc.weight 1:blocks.0.pre_stitch.fc.weight "
      "1:blocks.2.post_stitch.fc.weight 3:blocks.0.pre_stitch.fc.weight ";
  EXPECT_EQ(names(1024), all);
  EXPECT_EQ(names(768), "");
  options.stitch = StitchRule::always;
  EXPECT_EQ(names(768), all);
  options.stitch = StitchRule::never;
  EXPECT_EQ(names(1024), "");
}

TEST(Cost, IsThatOfTheTable) {
  const auto base = gigaflop(deit_base()), large = gigaflop(deit_large());
  EXPECT_NEAR(base.full, 35.13, 0.006);
  EXPECT_NEAR(base.forward, 32.70, 0.006);
  EXPECT_NEAR(base.both, 98.09 - 0.23,
              0.01);  // the table counts a gradient of the images, 0.23 and 0.31
  EXPECT_NEAR(large.full, 123.11, 0.006);
  EXPECT_NEAR(large.forward, 118.84, 0.006);
  EXPECT_NEAR(large.both, 356.52 - 0.31, 0.01);
  const auto moe = gigaflop(vmoe_base()), moe_large = gigaflop(vmoe_large());
  EXPECT_NEAR(moe.full, 57.47, 0.006);
  EXPECT_NEAR(moe.forward, 53.18, 0.006);
  EXPECT_NEAR(moe.both, 159.55 - 0.23, 0.01);
  EXPECT_NEAR(moe_large.full, 162.81, 0.006);
  EXPECT_NEAR(moe_large.forward, 155.25, 0.006);
}

TEST(Cost, OfAFrozenStageLeavesOutWeightGradients) {
  const auto meta = on_meta(deit(1024, 16, {1, 1, 1, 1}));
  EXPECT_NEAR(meta.stages[1]->cost(197).pass_through.executed / 1e9, 5.28, 0.006);
  EXPECT_EQ(meta.stages[0]->cost(0).pass_through.executed, 0);
  const auto student =
      make_distill_form(vmoe_base(), kImageNet, 1, 1024, at::TensorOptions(at::kMeta));
  EXPECT_NEAR(student->cost(197).forward.executed / 1e9, 14.93, 0.006);
  EXPECT_NEAR(student->cost(197).backward.executed / 1e9, 29.86, 0.006);
}

TEST(Check, AcceptsTheDefaults) {
  EXPECT_THAT(model_problems(ModelOptions{}, ImageShape{}, "meta"), IsEmpty());
}

TEST(Check, NamesEveryContradiction) {
  ModelOptions o;
  o.model = family("vmoe");
  o.heads = 5;
  o.patch = 5;
  o.own<VmoeOptions>().top_k = 9;
  o.own<VmoeOptions>().moe_blocks = "1 7";
  EXPECT_THAT(model_problems(o, ImageShape{}, "student"),
              ElementsAre(StartsWith("student.heads = 5: must divide student.width = 64"),
                          StartsWith("student.patch = 5: must divide the image side of 28"),
                          StartsWith("student.top_k = 9"),
                          HasSubstr("block 7 does not exist: the model's blocks are 0 to 3")));
}

TEST(Check, ExplainsMoeBlocks) {
  ModelOptions o;
  o.model = family("vmoe");
  const auto complaint = [&](const char* text) {
    o.own<VmoeOptions>().moe_blocks = text;
    const auto problems = model_problems(o, ImageShape{}, "student");
    return problems.empty() ? std::string() : problems[0];
  };
  for (const auto* good : {"all", "odd", "none", "0 2", "3"}) EXPECT_EQ(complaint(good), "");
  EXPECT_THAT(complaint("even"), HasSubstr("neither all, odd, none nor a list"));
  EXPECT_THAT(complaint("2 2"), HasSubstr("twice"));
  EXPECT_THAT(complaint("-1"), HasSubstr("does not exist"));
  EXPECT_THAT(complaint(""), HasSubstr("empty"));
  o.model = family("vit");
  EXPECT_EQ(complaint("even"), "");
}

TEST(ModelOptions, ReadBackWhatTheyPrint) {
  ModelOptions o = vmoe_large(), back;
  o.stitch = StitchRule::never;
  o.own<VmoeOptions>().expert_init = ExpertInit::published;
  const auto keys = ModelOptions::keys();
  for (const auto& key : keys.keys()) key.read(back, key.print(o));
  for (const auto& key : keys.keys()) EXPECT_EQ(key.print(back), key.print(o)) << key.name;
}

TEST(AssemblyMap, DiscardsStitchesUnlessTheyAreKept) {
  auto o = vmoe_base();
  const std::string stitch = "stages/1/blocks.0.pre_stitch.ln.weight",
                    weight = "stages/1/blocks.0.attn.qkv.weight";
  EXPECT_EQ(assembly_map(o, kImageNet, kImageNet)(stitch), std::nullopt);
  EXPECT_EQ(assembly_map(o, kImageNet, kImageNet)(weight), weight);
  o.keep_stitches = true;
  EXPECT_EQ(assembly_map(o, kImageNet, kImageNet)(stitch), stitch);
}

// The meta of a network that is trained whole may have any number of stages.
TEST(Outside, EndsWhereItsChainEnds) {
  const Outside meta(deit(32, 2, {1, 1}), kImageNet);
  EXPECT_EQ(meta.around(0).in.width, 0);
  EXPECT_EQ(meta.around(0).out.width, 32);
  EXPECT_EQ(meta.around(1).in.tokens, 197);
  EXPECT_EQ(meta.around(1).out.width, 0);
  EXPECT_EQ(meta.around(5).in.width, 0);
  auto student = vmoe_base();
  const auto plain = parameter_count(on_meta(student));
  for (const bool keep : {false, true}) {
    student.keep_stitches = keep;
    const Chain chain = make_chain(student, kImageNet, meta, "s", at::TensorOptions(at::kMeta));
    EXPECT_EQ(parameter_count(chain) > plain, keep);
  }
}

}  // namespace
}  // namespace m2mkd
