// A NAC's settings as jobs: the published Python's switches, and what they make of its parameters.

#include <m2mkd/nn/nac.hpp>
#include <m2mkd/train/optimizer.hpp>

#include "plan/small_config.hpp"

namespace m2mkd {
namespace {

using namespace test;
using testing::Contains;
using testing::Each;
using testing::HasSubstr;
using testing::IsSupersetOf;
using testing::Not;

Changes with_nac(const Changes& more = {}) {
  Changes changes{{"student.model", "nac"},
                  {"student.width", "16"},
                  {"student.patch", "4"},
                  {"student.input_latents", "6"},
                  {"student.mediator_latents", "16"},
                  {"student.output_latents", "5"}};
  changes.insert(changes.end(), more.begin(), more.end());
  return changes;
}
const Changes published = with_nac({{"compat", "published"}});

TEST(PublishedNac, WinsOverTheGeneralSwitches) {
  const Config none = small_config(with_nac()), all = small_config(published);
  const auto at = [](const Config& config, Phase phase) { return config.train(phase, ""); };
  EXPECT_TRUE(at(all, Phase::distill).schedule.lr_late);
  EXPECT_FALSE(at(all, Phase::final).schedule.lr_late);
  EXPECT_EQ(at(all, Phase::final).schedule.lr_unit, LrUnit::epoch);
  EXPECT_TRUE(at(all, Phase::final).decay_all);
  EXPECT_FALSE(at(all, Phase::distill).decay_all);
  EXPECT_TRUE(at(all, Phase::distill).decay_embeddings);
  EXPECT_EQ(at(all, Phase::distill).drop_path_ramp, RampOver::network);
  EXPECT_TRUE(at(all, Phase::distill).eval_drop_last);
  EXPECT_FALSE(at(all, Phase::final).eval_drop_last);
  EXPECT_TRUE(at(all, Phase::final).published_meter);
  EXPECT_FALSE(at(all, Phase::distill).published_meter);
  EXPECT_EQ(at(all, Phase::incubate).drop_path_ramp, RampOver::hybrid);
  EXPECT_FALSE(at(none, Phase::final).decay_all);
  EXPECT_FALSE(at(none, Phase::distill).decay_embeddings);

  const auto ours = none.model("student", "").own<NacOptions>(),
             theirs = all.model("student", "").own<NacOptions>();
  EXPECT_FALSE(ours.single_code);
  EXPECT_TRUE(theirs.single_code);
  EXPECT_FALSE(ours.eval_noise);
  EXPECT_TRUE(theirs.eval_noise);
  EXPECT_EQ(ours.distill_ffn_scale, 0.1);
  EXPECT_EQ(theirs.distill_ffn_scale, 1e-6);
  EXPECT_FALSE(ours.match_rows_only);
  EXPECT_TRUE(theirs.match_rows_only);
  EXPECT_EQ(ours.block_clusters, 0);
  EXPECT_EQ(theirs.block_clusters, 8);
}

TEST(PublishedNac, YieldsToWhatIsWrittenAndStaysInTheText) {
  const Config written = small_config(with_nac({{"compat", "published"},
                                                {"final.lr_late", "true"},
                                                {"student.eval_noise", "false"},
                                                {"distill.decay_embeddings", "false"}}));
  EXPECT_TRUE(written.train(Phase::final, "").schedule.lr_late);
  EXPECT_TRUE(written.train(Phase::final, "").decay_all);
  EXPECT_FALSE(written.model("student", "").own<NacOptions>().eval_noise);
  EXPECT_TRUE(written.model("student", "").own<NacOptions>().single_code);
  EXPECT_FALSE(written.train(Phase::distill, "").decay_embeddings);
  EXPECT_EQ(Config::from_text(written.text(), "stored").text(), written.text());
}

TEST(PublishedNac, IsForNacsAlone) {
  const Config moe = small_config({{"compat", "published"}});
  EXPECT_TRUE(moe.train(Phase::final, "").schedule.lr_late);
  EXPECT_FALSE(moe.train(Phase::final, "").decay_all);
  EXPECT_FALSE(moe.train(Phase::distill, "").decay_embeddings);
  EXPECT_EQ(moe.train(Phase::distill, "").drop_path_ramp, RampOver::module);
}

/// Names of the job's trained parameters that decay, or that do not.
std::vector<std::string> names(const Job& job, bool decayed) {
  const at::TensorOptions tensor(at::kMeta);
  auto list = parameters(make_chain(job.model, job.image_shape(), 0, "student", tensor));
  if (job.spliced())
    list = make_distill_form(job.model, job.image_shape(), job.stage, job.around(), tensor)
               ->parameters();
  std::vector<std::string> names;
  for (const auto& parameter : list)
    if (decays(parameter, job.train) == decayed) names.push_back(parameter.name);
  return names;
}

TEST(PublishedNac, DecaysWhatThePublishedOneDoes) {
  const auto ours = small_jobs(with_nac()), theirs = small_jobs(published);
  EXPECT_THAT(names(theirs.find("final.m2mkd"), false), testing::IsEmpty());
  const auto plain = names(ours.find("final.m2mkd"), false);
  for (const char* end : {".bias", ".gamma", "scale_gain", "bandwidth", "codes_", "signatures_",
                          "positional_grid.grid", "layernorm.weight"})
    EXPECT_THAT(plain, Contains(testing::EndsWith(end)));
  EXPECT_THAT(names(ours.find("final.m2mkd"), true),
              Each(testing::EndsWith("weight")));  // native_weight, scale.weight, convolutions

  const Job &mine = ours.find("distill.0"), &published_one = theirs.find("distill.0");
  EXPECT_THAT(names(published_one, true),
              IsSupersetOf({"tokenizer.positional_grid.grid",
                            "read_in.read_in_attention.query_compiler.scale_gain"}));
  EXPECT_THAT(names(published_one, true), Not(Contains(HasSubstr("bias"))));
  EXPECT_THAT(names(published_one, true), Not(Contains(HasSubstr("gamma"))));
  EXPECT_THAT(names(mine, true), Not(Contains(HasSubstr("scale_gain"))));
  EXPECT_THAT(names(mine, true), Not(Contains(HasSubstr("grid"))));
}

TEST(Nac, DistillsOneTokenPerInputLatentOrAsPublishedOne) {
  const auto tokens = [](const Changes& changes) {
    const auto list = small_jobs(changes);
    const Job& job = list.find("distill.0");
    return make_distill_form(job.model, job.image_shape(), 0, job.around(),
                             at::TensorOptions(at::kMeta))
        ->tokens_out(0);
  };
  EXPECT_EQ(tokens(with_nac()), 6);
  EXPECT_EQ(tokens(published), 1);
}

}  // namespace
}  // namespace m2mkd
