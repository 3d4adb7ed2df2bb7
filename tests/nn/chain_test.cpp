#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/nn/load.hpp>

#include "nn/small_models.hpp"

namespace m2mkd {
namespace {

using namespace test;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

NamedTensors copied(const NamedTensors& tensors) {
  NamedTensors copy;
  for (const auto& [name, tensor] : tensors) copy.emplace_back(name, tensor.clone());
  return copy;
}

TEST(Chain, InPiecesGivesTheWholeBitForBit) {
  const auto chain = filled_chain(teacher_options(), "teacher", at::kFloat);
  const auto x = filled_images(3, at::kFloat);
  const auto whole = chain.forward(x, {});
  EXPECT_TRUE(at::equal(chain.forward(chain.forward(x, {}, 0, 2), {}, 2), whole));
}

TEST(Splice, OfAChainsOwnStagesGivesItsLogitsBitForBit) {
  const auto meta = filled_chain(meta_options(), "meta", at::kFloat);
  auto teacher = make_chain(meta_options(), kShape, 32, "teacher", at::kFloat);
  load(teacher, state(meta), "memory");
  const auto x = filled_images(4, at::kFloat);
  const auto expected = meta.forward(x, {});
  for (int i = 0; i < meta.size(); ++i) {
    const auto hybrid = splice(meta, i, teacher.stages[static_cast<std::size_t>(i)]);
    EXPECT_TRUE(at::equal(hybrid.forward(x, {}), expected)) << i;
  }
}

TEST(Splice, LeavesTheBaseAlone) {
  const auto meta = filled_chain(meta_options(), "meta", at::kFloat);
  const auto stage = meta.stages[1];
  const auto hybrid = splice(meta, 1, nullptr);
  EXPECT_EQ(meta.stages[1], stage);
  EXPECT_EQ(hybrid.stages[2], meta.stages[2]);
  EXPECT_THROW(hybrid.forward(filled_images(1, at::kFloat), {}), std::logic_error);
  EXPECT_THROW(splice(meta, 3, nullptr), std::logic_error);
}

TEST(State, HasThePublishedNames) {
  const Chain chain{"student", {nullptr, filled_student(1, "s", at::kFloat)}, nullptr};
  std::vector<std::string> names;
  for (const auto& [name, tensor] : state(chain))
    if (name.find("blocks.1") == std::string::npos && name.find("experts.1") == std::string::npos &&
        name.find("experts.2") == std::string::npos && name.find("experts.3") == std::string::npos)
      names.push_back(name.substr(std::string("stages/1/blocks.0.").size()));
  EXPECT_THAT(names,
              ElementsAre("pre_stitch.ln.weight", "pre_stitch.ln.bias", "pre_stitch.fc.weight",
                          "pre_stitch.fc.bias", "norm1.weight", "norm1.bias", "attn.qkv.weight",
                          "attn.qkv.bias", "attn.proj.weight", "attn.proj.bias", "norm2.weight",
                          "norm2.bias", "moe.gate.gate.weight", "moe.gate.gate.bias",
                          "moe.experts.0.htoh4.weight", "moe.experts.0.htoh4.bias",
                          "moe.experts.0.h4toh.weight", "moe.experts.0.h4toh.bias"));
}

TEST(State, HoldsExactlyTheParameters) {
  const auto chain = filled_chain(student_options(), "student", at::kFloat);
  std::int64_t elements = 0;
  for (const auto& [name, tensor] : state(chain)) elements += tensor.numel();
  EXPECT_EQ(elements, parameter_count(chain));
}

TEST(Load, CopiesEverythingAndSaysSo) {
  const auto from = filled_chain(student_options(), "student", at::kFloat);
  const auto into = make_chain(student_options(), kShape, 32, "student", at::kDouble);
  const auto report = load(into, state(from), "a.h5");
  EXPECT_EQ(report.copied.size(), state(from).size());
  EXPECT_THAT(report.discarded, IsEmpty());
  EXPECT_THAT(report.fresh, IsEmpty());
  const auto a = state(from), b = state(into);
  for (std::size_t i = 0; i < a.size(); ++i)
    EXPECT_TRUE(at::equal(a[i].second.to(at::kDouble), b[i].second));
}

TEST(Load, AssemblesDistilledStagesWithoutTheirStitches) {
  const auto options = student_options();
  Chain distilled{"student", {}, nullptr};
  for (int i = 0; i < 3; ++i) distilled.stages.push_back(filled_student(i, "student", at::kFloat));
  const auto full = make_chain(options, kShape, 32, "student", at::kFloat);
  const auto report =
      load(full, state(distilled), "distilled", assembly_map(options, kShape, kShape),
           fresh_in_assembly(options, kShape, kShape));
  EXPECT_EQ(report.discarded.size(), 16u);  // four stitches of four tensors
  EXPECT_THAT(report.discarded, testing::Each(HasSubstr("_stitch.")));
  EXPECT_EQ(report.copied.size(), state(full).size());
}

TEST(Load, RefusesWhatDoesNotFitAndCopiesNothing) {
  const auto chain = filled_chain(meta_options(), "meta", at::kFloat);
  const auto before = copied(state(chain));
  auto tensors = copied(before);
  for (auto& [name, tensor] : tensors) tensor.zero_();
  tensors[0].first = "stages/0/wrong_name";
  tensors[1].second = at::zeros({2, 2});
  try {
    load(chain, tensors, "a.h5");
    FAIL() << "loaded";
  } catch (const Error& e) {
    EXPECT_THAT(
        e.what(),
        AllOf(HasSubstr("a.h5"), HasSubstr("meta"), HasSubstr("stages/0/wrong_name"),
              HasSubstr("stages/0/cls_token: shape (2, 2) in the file, (1, 1, 32) in the model"),
              HasSubstr("stages/0/pos_embed: not in the file")));
  }
  const auto after = state(chain);
  for (std::size_t i = 0; i < after.size(); ++i)
    EXPECT_TRUE(at::equal(after[i].second, before[i].second));
}

TEST(Load, NamesAtMostFiveTensors) {
  const auto chain = filled_chain(meta_options(), "meta", at::kFloat);
  try {
    load(chain, {}, "empty.h5");
    FAIL() << "loaded";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr(fmt::format("and {} more", state(chain).size() - 5)));
    EXPECT_THAT(e.what(), Not(HasSubstr("norm1.bias")));
  }
}

TEST(Load, RenamesDiscardsAndLeavesFreshOnlyAsTold) {
  const auto chain = filled_chain(meta_options(), "meta", at::kFloat);
  auto tensors = copied(state(chain));
  tensors[0].first = "stages/0/position";
  tensors.emplace_back("stages/0/extra", at::zeros({1}));
  const auto head = tensors[tensors.size() - 2].first;
  tensors.erase(tensors.end() - 2);
  const auto report = load(
      chain, tensors, "a.h5",
      [](const std::string& name) -> std::optional<std::string> {
        if (name.ends_with("extra")) return std::nullopt;
        return name.ends_with("position") ? "stages/0/pos_embed" : name;
      },
      [&](const std::string& name) { return name == head; });
  EXPECT_THAT(report.renamed, ElementsAre("stages/0/position -> stages/0/pos_embed"));
  EXPECT_THAT(report.discarded, ElementsAre("stages/0/extra"));
  EXPECT_THAT(report.fresh, ElementsAre(head));
}

TEST(SetTrainable, ReachesEveryLeafOfTheStage) {
  const auto stage = filled_student(1, "s", at::kFloat);
  set_trainable(*stage, true);
  for (const auto& p : stage->parameters()) EXPECT_TRUE(p.tensor.requires_grad()) << p.name;
  set_trainable(*stage, false);
  for (const auto& p : stage->parameters()) EXPECT_FALSE(p.tensor.requires_grad()) << p.name;
}

TEST(Observations, CountTheTokensOfEachMixture) {
  const auto chain = filled_chain(student_options(), "student", at::kFloat);
  Observations seen;
  ForwardContext context;
  context.observations = &seen;
  chain.forward(filled_images(4, at::kFloat), context);
  chain.forward(filled_images(3, at::kFloat), context);
  ASSERT_EQ(seen.expert_load.size(), 6u);
  EXPECT_EQ(seen.expert_load.at("stages/0/blocks.1").sum().item<std::int64_t>(), 7 * 17 * 2);
  EXPECT_EQ(seen.expert_load.at("stages/2/blocks.1").sum().item<std::int64_t>(), 7 * 2)
      << "class token only";
}

}  // namespace
}  // namespace m2mkd
