// The NAC recipes: sizes to the last parameter (reference/nac §1.11, §3.4, §3.5), jobs, steps and
// rates (§4.1, §4.2).

#include <numbers>

#include <fmt/format.h>

#include <m2mkd/nn/load.hpp>
#include <m2mkd/nn/nac.hpp>
#include <m2mkd/train/schedule.hpp>

#include "plan/full_size.hpp"

namespace m2mkd {
namespace {

using namespace test;
using testing::ElementsAre;
using testing::Not;

/// Numbers of parameters as the reference has them.
struct Sizes {
  std::string recipe;
  std::int64_t input_tokenizer, input_latents, mediator_latents, output_latents, seeder, read_in,
      propagator, read_out, output_tokenizer, total;
  std::int64_t students[3], stitches[3];  ///< S_1, S_2 to S_9 each, S_10
  std::int64_t cores, loaded;
};
const Sizes tiny{"nac_tiny_imagenet",
                 1239136,
                 28672,
                 114688,
                 28672,
                 296448,
                 2315270,
                 2511367,
                 2512135,
                 77385,
                 26703342,
                 {4093286, 3496070, 3389423},
                 {492800, 984704, 491904},
                 26588933,
                 26153372};
const Sizes large{"nac_imagenet",
                  2221184,
                  110592,
                  442368,
                  36864,
                  526336,
                  3020422,
                  3412999,
                  3414023,
                  513513,
                  37589294,
                  {5898246, 4725510, 4583407},
                  {656640, 1312512, 655872},
                  36473125,
                  36473125};

constexpr std::int64_t kMeta = 199103720, kTeacher = 631922920, kBlock = 19673600;
/// Patches, class token and positions; last norm and classifier.
constexpr std::int64_t kMetaInput = (3 * 14 * 14 + 1) * 1280 + 1280 + 257 * 1280,
                       kMetaOutput = 2 * 1280 + 1281 * 1000;

/// Both methods, with the published distill form.
const JobList& jobs(const Sizes& sizes) {
  static std::map<std::string, JobList> lists;
  if (!lists.contains(sizes.recipe))
    lists[sizes.recipe] = full_size(sizes.recipe, {{"student.single_code", "true"}});
  return lists.at(sizes.recipe);
}
const std::string one_prior = "_barabasi_albert";

Chain whole(const Job& job) {
  return make_chain(job.model, job.image_shape(), job.meta.width, "student",
                    at::TensorOptions(at::kMeta));
}
StagePtr distill_form(const Job& job) {
  return make_distill_form(job.model, job.image_shape(), job.stage, job.around(),
                           at::TensorOptions(at::kMeta));
}

/// Parameters whose names, without stage, begin so.
std::int64_t beneath(const Chain& chain, const std::string& beginning) {
  std::int64_t sum = 0;
  for (const auto& stage : chain.stages)
    for (const auto& [name, tensor, initial, idle, embedding] : stage->parameters())
      if (name.starts_with(beginning)) sum += tensor.numel();
  for (const auto& [name, tensor, initial, idle, embedding] : chain.shared->parameters())
    if (name.starts_with(beginning)) sum += tensor.numel();
  return sum;
}

class NacRecipe : public testing::TestWithParam<Sizes> {};
INSTANTIATE_TEST_SUITE_P(FullSize, NacRecipe, testing::Values(tiny, large),
                         [](const auto& parameter) { return parameter.param.recipe; });

TEST_P(NacRecipe, HasThePublishedParametersInEveryPart) {
  const Sizes& want = GetParam();
  const Job& job = jobs(want).find("final.m2mkd" + one_prior);
  const Chain chain = whole(job);
  const std::string graph = "latent_graphs.0.";
  EXPECT_EQ(beneath(chain, "input_tokenizer."), want.input_tokenizer);
  EXPECT_EQ(beneath(chain, graph + "input_latents."), want.input_latents);
  EXPECT_EQ(beneath(chain, graph + "mediator_latents."), want.mediator_latents);
  EXPECT_EQ(beneath(chain, graph + "output_latents."), want.output_latents);
  EXPECT_EQ(beneath(chain, graph + "latent_seeder."), want.seeder);
  EXPECT_EQ(beneath(chain, graph + "read_in."), want.read_in);
  for (int i = 0; i < 8; ++i)
    EXPECT_EQ(beneath(chain, fmt::format("{}propagators.{}.", graph, i)), want.propagator) << i;
  EXPECT_EQ(beneath(chain, graph + "read_out."), want.read_out);
  EXPECT_EQ(beneath(chain, "output_tokenizer."), want.output_tokenizer);

  std::vector<std::int64_t> stages(10, want.propagator);
  stages.front() = want.input_tokenizer + want.read_in;
  stages.back() = want.read_out + want.output_tokenizer;
  EXPECT_EQ(job.cost.chain.stages, stages);
  EXPECT_EQ(job.cost.chain.shared,
            want.input_latents + want.mediator_latents + want.output_latents + want.seeder);
  EXPECT_EQ(job.cost.chain.parameters(), want.total);
  EXPECT_EQ(job.cost.trainable, want.total);
}

TEST_P(NacRecipe, DistillsThePublishedStudentsInsideDeitHuge) {
  const Sizes& want = GetParam();
  const JobList& list = jobs(want);
  EXPECT_EQ(list.find("pretrain").cost.chain.parameters(), kMeta);
  EXPECT_EQ(list.find("finetune").cost.chain.parameters(), kTeacher);
  std::int64_t cores = 0;
  for (const Job* job : stages_of(list, "distill", 10)) {
    SCOPED_TRACE(job->name);
    const int place = job->stage == 0 ? 0 : job->stage < 9 ? 1 : 2;
    const std::int64_t ends[] = {kMetaInput, 0, kMetaOutput};
    EXPECT_EQ(job->cost.trainable, want.students[place]);
    EXPECT_EQ(job->cost.chain.parameters(), kMeta - kBlock - ends[place] + want.students[place]);
    const bool first_or_last = job->stage == 0 || job->stage == 9;
    EXPECT_EQ(job->cost.teachers.at(0).parameters(), kMeta + (first_or_last ? 3 : 2) * kBlock);
    std::int64_t stitches = 0;
    for (const auto& [name, tensor, initial, idle, embedding] : distill_form(*job)->parameters())
      if (name.starts_with("pre_stitch.") || name.starts_with("post_stitch."))
        stitches += tensor.numel();
    EXPECT_EQ(stitches, want.stitches[place]);
    cores += job->cost.trainable - stitches;
  }
  EXPECT_EQ(cores, want.cores);
}

// Strictly: every tensor of the students is used or discarded, every other one of the full model
// accepted.
TEST_P(NacRecipe, LoadsThePublishedShare) {
  const Sizes& want = GetParam();
  const JobList& list = jobs(want);
  const Job& final = list.find("final.m2mkd" + one_prior);
  NamedTensors students;
  for (const Job* job : stages_of(list, "distill", 10))
    for (const auto& [name, tensor] : distill_form(*job)->state())
      students.emplace_back(fmt::format("stages/{}/{}", job->stage, name), tensor);
  const Chain chain = whole(final);
  const auto report =
      load(chain, students, "the students",
           assembly_map(final.model, final.parts()->shape, final.image_shape()),
           fresh_in_assembly(final.model, final.parts()->shape, final.image_shape()));
  std::map<std::string, std::int64_t> sizes;
  for (const auto& [name, tensor] : students) sizes[name] = tensor.numel();
  std::int64_t loaded = 0;
  for (const auto& name : report.copied) loaded += sizes.at(name);
  for (const auto& name : report.renamed) loaded += sizes.at(name.substr(0, name.find(" -> ")));
  EXPECT_EQ(loaded, want.loaded);
  std::int64_t fresh = 0;
  for (const auto& [name, tensor] : state(chain))
    if (std::ranges::count(report.fresh, name) > 0) fresh += tensor.numel();
  EXPECT_EQ(loaded + fresh, want.total);
}

TEST_P(NacRecipe, DistillsEveryPairOnceForAllPriors) {
  const JobList& list = jobs(GetParam());
  std::map<Phase, int> number;
  for (const auto& job : list.jobs) ++number[job.phase];
  EXPECT_EQ(number[Phase::pretrain], 1);
  EXPECT_EQ(number[Phase::incubate], 10);
  EXPECT_EQ(number[Phase::finetune], 1);
  EXPECT_EQ(number[Phase::distill], 10);
  EXPECT_EQ(number[Phase::final], 8);
  const std::map<std::string, Prior> priors{{"barabasi_albert", Prior::barabasi_albert},
                                            {"erdos_renyi", Prior::erdos_renyi},
                                            {"planted_partition", Prior::planted_partition},
                                            {"ring_of_cliques", Prior::ring_of_cliques}};
  for (const auto& [name, prior] : priors)
    for (const char* method : {"e2e", "m2mkd"}) {
      const Job& job = list.find(fmt::format("final.{}_{}", method, name));
      EXPECT_EQ(job.model.own<NacOptions>().prior.prior, prior);
      EXPECT_EQ(sources(job.start).size(), std::string(method) == "e2e" ? 0u : 10u);
      EXPECT_EQ(job.cost.trainable, GetParam().total);
    }
}

// Epochs e of the published end-to-end training: e < 25 rises to the peak, then the cosine of e
// over all epochs; its distillation is one epoch late.
TEST_P(NacRecipe, TrainsAtThePublishedRates) {
  const bool small = GetParam().recipe == tiny.recipe;
  const JobList list = full_size(GetParam().recipe, {{"compat", "published"}});
  const Job& job = list.find("final.m2mkd" + one_prior);
  const double epochs = small ? 400 : 110, peak = small ? 2.4e-3 : 6e-4,
               least = small ? 8e-5 : 2e-5;
  const std::int64_t per_epoch = small ? 97 : 5004;
  EXPECT_EQ(job.train.batch, small ? 1024 : 256);
  EXPECT_EQ(job.train.micro_batch, small ? 128 : 32);
  EXPECT_EQ(job.train.weight_decay, small ? 0.075 : 0.05);
  EXPECT_EQ(job.train.clip_grad, 0);
  EXPECT_EQ(job.model.drop_path, 0.1);
  EXPECT_EQ(job.cost.steps, static_cast<std::int64_t>(epochs) * per_epoch);
  for (int e = 0; e < static_cast<int>(epochs); ++e) {
    const double rate =
        e < 25 ? 1e-6 + e * (peak - 1e-6) / 25
               : least + 0.5 * (peak - least) * (1 + std::cos(std::numbers::pi * e / epochs));
    for (const std::int64_t step : {std::int64_t{0}, per_epoch - 1})
      EXPECT_NEAR(learning_rate(schedule(job.train), e * per_epoch + step, per_epoch) / rate, 1,
                  1e-12)
          << "epoch " << e;
  }
  const std::vector<double> ten{1e-4,    1e-4, 4.8e-4, 8.6e-4, 1.24e-3,
                                1.62e-3, 2e-3, 2e-3,   2e-3,   2e-3};
  for (const Job* pair : stages_of(list, "distill", 10)) {
    EXPECT_EQ(pair->cost.steps, 10 * 625);
    for (std::size_t e = 0; e < ten.size(); ++e)
      EXPECT_NEAR(
          learning_rate(schedule(pair->train), static_cast<std::int64_t>(e) * 625 + 7, 625) /
              ten[e],
          1, 1e-12)
          << pair->name << ", epoch " << e;
  }
}

TEST_P(NacRecipe, DependsOnThePublishedArithmeticInEveryJob) {
  const JobList ours = full_size(GetParam().recipe),
                published = full_size(GetParam().recipe, {{"compat", "published"}});
  ASSERT_EQ(ours.jobs.size(), published.jobs.size());
  for (const auto& job : ours.jobs) {
    const Job& other = published.find(job.name);
    EXPECT_EQ(job.cost.steps, other.cost.steps) << job.name;
    EXPECT_EQ(job.cost.trainable, other.cost.trainable) << job.name;
    EXPECT_NE(job.identity(), other.identity()) << job.name;
  }
}

}  // namespace
}  // namespace m2mkd
