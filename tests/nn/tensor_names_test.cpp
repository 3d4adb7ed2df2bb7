// Names by stage and flat: each way back gives the name that was there.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/nn/family.hpp>

#include "nac/names.hpp"

namespace m2mkd {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;

const Family *const vit = family("vit"), *const nac = family("nac");

TEST(TensorNames, BlocksAreCountedThroughTheNetwork) {
  const std::vector<std::int64_t> depths{2, 1, 3};
  EXPECT_EQ(vit->staged_name("blocks.3.attn.qkv.weight", depths),
            (StagedName{2, "blocks.0.attn.qkv.weight"}));
  EXPECT_EQ(vit->staged_name("norm.bias", depths).stage, 2);
  for (const auto* name : {"cls_token", "patch_embed.proj.bias", "blocks.0.norm1.weight",
                           "blocks.2.norm1.weight", "blocks.5.mlp.fc1.bias", "head.bias"})
    EXPECT_EQ(vit->flat_name(vit->staged_name(name, depths), depths), name);
  EXPECT_THROW(vit->staged_name("blocks.6.norm1.weight", depths), Error);
  EXPECT_THROW(vit->staged_name("fc.weight", depths), Error);
}

TEST(TensorNames, OfANacTellTheirStage) {
  const std::vector<std::int64_t> depths{1, 1, 1, 1};
  const std::vector<std::pair<std::string, int>> stages{
      {"input_tokenizer.backbone.stages.1.2.gamma", 0},
      {"latent_graphs.0.read_in.read_in_attention.exit_layer.native_bias", 0},
      {"latent_graphs.0.propagators.0.latent_attention.kernel.bandwidth", 1},
      {"latent_graphs.0.propagators.1.ffn.ffn.2.scale_gain", 2},
      {"latent_graphs.0.read_out.latent_attention.kernel.bandwidth", 3},
      {"output_tokenizer.to_logits.weight", 3},
      {"latent_graphs.0.input_latents.codes_", -1},
      {"latent_graphs.0.mediator_latents.signatures_", -1},
      {"latent_graphs.0.output_latents.codes_", -1},
      {"latent_graphs.0.latent_seeder.code_to_state_mu.bias", -1}};
  std::vector<StagedName> names;
  for (const auto& [name, stage] : stages) {
    names.push_back(nac->staged_name(name, depths));
    EXPECT_EQ(names.back(), (StagedName{stage, name}));
    EXPECT_EQ(nac->flat_name(names.back(), depths), name);
    for (const char mark : {'/', '.'})
      EXPECT_EQ(parse_staged(names.back().text(mark)), names.back());
    EXPECT_EQ(nac_part(name), NacPart::network);
  }
  EXPECT_EQ(nac->seen_depths(names), depths);
  EXPECT_EQ(names[6].text('/'), "shared/latent_graphs.0.input_latents.codes_");
}

TEST(TensorNames, OfANacCountItsPropagators) {
  EXPECT_THAT(nac_depths({"input_tokenizer.positional_grid.grid"}), ElementsAre(1, 1));
  const std::string propagator = "latent_graphs.0.propagators.";
  const auto depths =
      nac_depths({propagator + "0.ffn.layernorm.bias", propagator + "10.ffn.layernorm.bias",
                  propagator + "9.ffn.layernorm.bias"});
  EXPECT_EQ(depths.size(), 13U);
  EXPECT_THAT(depths, Each(1));
  EXPECT_THAT(nac_depths({"blocks.0.norm1.weight", "head.weight"}), IsEmpty());
  // Damage does not make a network of a billion stages.
  EXPECT_EQ(nac_depths({propagator + "999999999.ffn.layernorm.bias"}).size(), 2U);
}

TEST(TensorNames, ThatNoNacHasAreRefused) {
  for (const auto* name :
       {"latent_graphs.0.propagators.2.ffn.layernorm.bias", "latent_graphs.1.read_in.ffn.x",
        "latent_graphs.0.propagators.x.ffn.layernorm.bias", "latent_graphs.0.residual.weight"})
    EXPECT_THROW(nac->staged_name(name, {1, 1, 1, 1}), Error) << name;
}

TEST(TensorNames, OfAStudentModuleDoNotTellItsStage) {
  for (const auto* name : {"tokenizer.to_logits.weight", "read_in.ffn.layernorm.bias",
                           "latent_attention.layer_scale.gamma", "ffn.ffn.0.native_bias",
                           "pre_stitch.weight", "post_stitch.bias"}) {
    EXPECT_EQ(nac_part(name), NacPart::student);
    EXPECT_EQ(nac->block_of(name), 0);
    EXPECT_THROW(nac->staged_name(name, {1, 1, 1}), Error) << name;
  }
  EXPECT_TRUE(nac->tells_stage("latent_graphs.0.read_in.ffn.layernorm.bias"));
  EXPECT_TRUE(nac->tells_stage("stages.2.latent_graphs.0.read_in.ffn.layernorm.bias"));
  EXPECT_TRUE(nac->tells_stage("stages.2.ffn.layernorm.bias"));
  EXPECT_FALSE(nac->tells_stage("ffn.layernorm.bias"));
  for (const auto* name : {"blocks.0.pre_stitch.ln.weight", "head.weight", "norm.bias", "codes"})
    EXPECT_EQ(nac_part(name), NacPart::none) << name;
}

}  // namespace
}  // namespace m2mkd
