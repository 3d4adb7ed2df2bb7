// Given weights: which tensors of a file are the network's, under which names, of which stage
// (files by tests/golden/make_checkpoints.py).

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/nn/family.hpp>
#include <m2mkd/nn/weights.hpp>
#include <m2mkd/store/torch_file.hpp>

namespace m2mkd {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

WeightFile golden(const std::string& name) {
  return read_weights(std::filesystem::path(M2MKD_SOURCE_DIR "/tests/golden/checkpoints") / name);
}

std::map<std::string, at::Tensor> by_name(const StagedTensors& tensors) {
  std::map<std::string, at::Tensor> map;
  for (const auto& [name, tensor] : tensors) map[name.text('/')] = tensor;
  return map;
}

std::map<std::string, at::Tensor> cut(const std::string& name,
                                      const std::vector<std::int64_t>& depths,
                                      std::optional<int> only = {}) {
  return by_name(cut_into_stages(golden(name), depths, only, name));
}

void expect_equal(const std::map<std::string, at::Tensor>& a,
                  const std::map<std::string, at::Tensor>& b) {
  EXPECT_EQ(a.size(), b.size());
  for (const auto& [name, tensor] : a) {
    ASSERT_TRUE(b.contains(name)) << name;
    EXPECT_TRUE(at::equal(tensor, b.at(name))) << name;
  }
}

std::string message_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "no Error";
}

TEST(Weights, AreTheSameInEveryFormOfFile) {
  const auto stages = cut("deit.safetensors", {2, 2});
  EXPECT_EQ(stages.size(), 56U);
  EXPECT_TRUE(stages.contains("stages/1/blocks.1.attn.qkv.weight"));
  expect_equal(cut("deit.pth", {2, 2}), stages);
  expect_equal(cut("deit_legacy.pth", {2, 2}), stages);
  expect_equal(cut("checkpoint.pth", {}), stages);
  expect_equal(cut("double.pth", {}), stages);
  std::map<std::string, at::Tensor> second;
  for (const auto& [name, tensor] : stages)
    if (name.starts_with("stages/1/")) second[name] = tensor;
  expect_equal(cut("module.pth", {}), second);
  EXPECT_THAT(golden("module.pth").depths, ElementsAre(2, 2));
}

TEST(Weights, DigestIsOfTheTensorsNotOfTheFile) {
  EXPECT_EQ(golden("deit.pth").digest, golden("deit.safetensors").digest);
  EXPECT_EQ(golden("deit_legacy.pth").digest, golden("deit.safetensors").digest);
  EXPECT_NE(golden("half.pth").digest, golden("deit.safetensors").digest);
}

TEST(Weights, CarryWhatThisProgramSaysOfThem) {
  const auto folder = std::filesystem::path(testing::TempDir());
  const NamedTensors whole{{"cls_token", at::ones({1, 1, 2})}, {"norm.bias", at::arange(2.0)}};
  const NamedTensors student{{"latent_attention.kernel.bandwidth", at::ones({})}};
  const Attributes attributes{{"job", std::string("distill.2")},
                              {"stage", std::int64_t{2}},
                              {"data.image_size", std::int64_t{28}},
                              {"acc1", 50.5}};
  for (const auto* name : {"carry.safetensors", "carry.pth"}) {
    write_weights(folder / name, whole, {1, 3}, attributes, "");
    const auto file = read_weights(folder / name);
    EXPECT_EQ(file.attributes, attributes) << name;
    EXPECT_THAT(file.depths, ElementsAre(1, 3)) << name;
    EXPECT_EQ(file.tensors.front().first, "cls_token") << name;
    // A NAC's student module has names that do not tell its stage.
    ASSERT_FALSE(family("nac")->tells_stage(student.front().first));
    write_weights(folder / name, student, {1, 1, 1}, attributes, "");
    EXPECT_EQ(read_weights(folder / name).tensors.front().first,
              "stages.2.latent_attention.kernel.bandwidth")
        << name;
    write_weights(folder / name, {{"read_in.ffn.layernorm.bias", at::ones({2})}}, {1, 1, 1},
                  {{"stage", std::int64_t{0}}}, "");
    EXPECT_EQ(read_weights(folder / name).tensors.front().first,
              "stages.0.read_in.ffn.layernorm.bias")
        << name;
    std::filesystem::remove(folder / name);
  }
}

TEST(Weights, LoseWhatWrappersPutBeforeAllNames) {
  const auto file = std::filesystem::path(testing::TempDir()) / "wrapped.pth";
  const auto names = [&](const NamedTensors& tensors, const std::string& inside) {
    write_torch_file(file, tensors, inside);
    std::vector<std::string> found;
    for (const auto& [name, tensor] : read_weights(file).tensors) found.push_back(name);
    return found;
  };
  const at::Tensor one = at::ones({2});
  for (const std::string prefix : {"module.", "model.backbone.", "_orig_mod.module.", "teacher."})
    for (const auto* inside : {"", "state_dict", "model_state_dict", "model_ema", "ema", "teacher"})
      EXPECT_THAT(names({{prefix + "cls_token", one}, {prefix + "norm.bias", one}}, inside),
                  ElementsAre("cls_token", "norm.bias"))
          << prefix << " in " << inside;
  // Not before all names: a part of the network, which is no wrapper.
  EXPECT_THAT(names({{"backbone.norm.bias", one}, {"head.bias", one}}, ""),
              ElementsAre("backbone.norm.bias", "head.bias"));
  std::filesystem::remove(file);
}

TEST(Weights, SayWhatWasLeftOut) {
  EXPECT_THAT(golden("deit.pth").left_out, IsEmpty());
  EXPECT_THAT(golden("deit_legacy.pth").left_out, ElementsAre("args (no weights)"));
  EXPECT_THAT(
      golden("checkpoint.pth").left_out,
      ElementsAre("model (the weights are taken from model_stages)", "optimizer (no weights)",
                  "epoch (no weights)", "lr_scheduler (no weights)", "scaler (no weights)"));
  EXPECT_THAT(golden("double.pth").left_out, Contains(HasSubstr("flat names (second names")));
}

TEST(Weights, PrefixesOfWrappersGo) {
  const auto half = cut("half.pth", {4});
  EXPECT_TRUE(half.contains("stages/0/blocks.3.mlp.fc2.bias"));
  EXPECT_TRUE(half.contains("stages/0/cls_token"));
}

TEST(Weights, AStudentsOnlyStageGetsItsPlace) {
  const auto student = cut("student.pth", {}, 2);
  EXPECT_TRUE(student.contains("stages/2/blocks.0.pre_stitch.ln.weight"));
  EXPECT_TRUE(student.contains("stages/2/blocks.0.moe.experts.1.h4toh.bias"));
  expect_equal(cut("module.pth", {}, 1), cut("module.pth", {}));
  EXPECT_THAT(message_of([] { cut("checkpoint.pth", {}, 1); }), HasSubstr("2 stages"));
}

// An empty list of stages beside the weights is how NACs are saved
// (tests/golden/make_nac_checkpoints.py).
TEST(Weights, OfANacAreCutByTheirNames) {
  const auto nac = cut("nac.pt", {});
  expect_equal(cut("nac.pt", {1, 1, 1, 1}), nac);
  EXPECT_TRUE(nac.contains("shared/latent_graphs.0.mediator_latents.codes_"));
  EXPECT_TRUE(nac.contains("stages/0/input_tokenizer.positional_grid.grid"));
  EXPECT_TRUE(
      nac.contains("stages/2/latent_graphs.0.propagators.1.latent_attention.kernel.bandwidth"));
  EXPECT_TRUE(nac.contains("stages/3/output_tokenizer.confidence_scorer.weight"));
  EXPECT_THAT(golden("nac.pt").left_out, Contains("model_ema (no weights)"));
  EXPECT_THAT(message_of([] {
                cut("nac.pt", {1, 1, 1});
              }),
              HasSubstr("has 4 stages of 1 1 1 1 blocks, as its names tell"));
  const auto mediator = cut("nac_mediator.pth", {}, 2);
  EXPECT_TRUE(mediator.contains("stages/2/pre_stitch.weight"));
  EXPECT_THAT(golden("nac_mediator.pth").left_out, Contains("model_stages (no weights)"));
  EXPECT_THAT(message_of([] { cut("nac_mediator.pth", {1, 1, 1}); }), HasSubstr("--stage I"));
}

TEST(Weights, FlatNamesNeedACutThatFits) {
  EXPECT_THAT(message_of([] { cut("deit.pth", {}); }), HasSubstr("give --stages"));
  EXPECT_THAT(message_of([] {
                cut("deit.pth", {2, 1});
              }),
              HasSubstr("has 4 blocks, the stages 2 1 make 3"));
  EXPECT_EQ(weight_file_complaint("a.pt"), "");
  EXPECT_THAT(weight_file_complaint("a.bin"), HasSubstr(".safetensors"));
}

}  // namespace
}  // namespace m2mkd
