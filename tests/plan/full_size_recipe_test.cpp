// The recipes of configs/: batches, rates and updates as published (reference/vmoe §4, §6.3), and
// plans for any number of ranks.

#include <m2mkd/train/schedule.hpp>

#include "plan/full_size.hpp"

namespace m2mkd {
namespace {

using namespace test;
using testing::ElementsAre;
using testing::Pair;

struct Training {
  double epochs, lr, warmup_epochs, drop_path, clip;
  std::int64_t batch, micro_batch, steps;
};
void expect_training(const Job& job, const Training& want) {
  SCOPED_TRACE(job.name);
  const auto& train = job.train;
  EXPECT_EQ(train.schedule.epochs, want.epochs);
  EXPECT_DOUBLE_EQ(schedule(train).lr, want.lr);
  EXPECT_EQ(train.schedule.min_lr, 1e-5);
  EXPECT_EQ(train.schedule.warmup_lr, 1e-6);
  EXPECT_EQ(train.schedule.warmup_epochs, want.warmup_epochs);
  EXPECT_EQ(train.weight_decay, 0.05);
  EXPECT_EQ(train.clip_grad, want.clip);
  EXPECT_EQ(job.model.drop_path, want.drop_path);
  EXPECT_EQ(train.batch, want.batch);
  EXPECT_EQ(train.micro_batch, want.micro_batch);
  EXPECT_EQ(job.cost.steps, want.steps);
}

TEST(FullSizeRecipe, TrainsVmoeBaseAsPublished) {
  const JobList& list = vmoe_base();
  const Training meta{300, 2e-3, 20, 0, 0, 2048, 256, 187500};
  const Training stage{100, 2e-3, 20, 0.1, 0, 2048, 128, 62500};
  const Training whole{100, 1e-3, 0, 0.1, 1, 1024, 128, 125100};
  expect_training(list.find("pretrain"), meta);
  expect_training(list.find("pretrain.incubation"), meta);
  for (const char* phase : {"incubate", "distill", "incubate.incubation"})
    for (const Job* job : stages_of(list, phase)) expect_training(*job, stage);
  for (const char* job : {"finetune", "final.m2mkd", "final.m2mkd_stitched", "final.incubation"})
    expect_training(list.find(job), whole);
  for (const char* job : {"final.e2e", "final.kd"})
    expect_training(list.find(job), {300, 1e-3, 5, 0.1, 0, 1024, 128, 3 * 125100});
}

TEST(FullSizeRecipe, FinetunesAsDeepIncubation) {
  const std::map<std::string, double> drop_path{
      {"deit_base", 0.1}, {"deit_large", 0.5}, {"deit_huge", 0.6}};
  for (const auto& [name, rate] : drop_path)
    expect_training(full_size(name).find("final.incubation"),
                    {100, 2e-3, 0, rate, 0, 2048, 64, 62500});
  expect_training(vmoe_large().find("finetune"), {100, 2e-3, 0, 0.6, 0, 2048, 64, 62500});
}

// reference/vmoe §4's examples of rates per epoch, from the published Python.
TEST(FullSizeRecipe, HasThePublishedRates) {
  const JobList list = full_size(
      "vmoe_base",
      {{"compat", "published"}, {"run.methods", "m2mkd m2mkd_10epochs incubation_10epochs"}});
  const auto expect = [&](const char* name, const std::map<int, double>& rates) {
    const Job& job = list.find(name);
    const auto per_epoch =
        static_cast<std::int64_t>(static_cast<double>(job.cost.steps) / job.train.schedule.epochs);
    for (const auto& [epoch, rate] : rates)
      EXPECT_NEAR(learning_rate(schedule(job.train), epoch * per_epoch, per_epoch) / rate, 1, 5e-6)
          << name << ", epoch " << epoch;
  };
  expect("pretrain", {{0, 1e-6},
                      {1, 1e-6},
                      {2, 1.0095e-4},
                      {20, 1.90005e-3},
                      {21, 1.97826e-3},
                      {299, 1.02182e-5}});
  expect("distill.2", {{20, 1.90005e-3}, {21, 1.80997e-3}, {50, 1.03625e-3}, {99, 1.19634e-5}});
  expect("final.m2mkd",
         {{0, 1e-3}, {1, 1e-3}, {2, 9.99756e-4}, {50, 5.20548e-4}, {99, 1.09768e-5}});
  const std::map<int, double> ten{{0, 1e-4},    {1, 1e-4}, {2, 4.8e-4}, {3, 8.6e-4}, {4, 1.24e-3},
                                  {5, 1.62e-3}, {6, 2e-3}, {7, 2e-3},   {8, 2e-3},   {9, 2e-3}};
  expect("distill.m2mkd_10epochs.1", ten);
  expect("incubate.incubation_10epochs.3", ten);
}

TEST(FullSizeRecipe, SharesWhatMethodsHaveInCommon) {
  const auto& needs = vmoe_base().needs;
  const auto distilled = [&](const std::string& method) {
    std::vector<std::string> jobs;
    for (const auto& job : needs.at(method))
      if (job.starts_with("distill")) jobs.push_back(job);
    return jobs;
  };
  // Kept stitches change the final training alone.
  EXPECT_EQ(distilled("m2mkd_stitched"), distilled("m2mkd"));
  EXPECT_THAT(distilled("m2mkd_10epochs"),
              ElementsAre("distill.m2mkd_10epochs.0", "distill.m2mkd_10epochs.1",
                          "distill.m2mkd_10epochs.2", "distill.m2mkd_10epochs.3"));
  for (const auto& list : {needs.at("incubation"), needs.at("incubation_10epochs")})
    EXPECT_EQ(std::ranges::count(list, "pretrain.incubation"), 1);
}

// reference/vmoe §7.3: 1e18 FLOP in all of ImageNet; with 1024 or 2048 images a step the last of an
// epoch are left out.
TEST(FullSizeRecipe, CostsWhatThePublishedOneCosts) {
  const JobList& list = vmoe_base();
  const auto exa = [&](const std::vector<std::string>& jobs) {
    double sum = 0;
    for (const auto& name : jobs) {
      const auto& cost = list.find(name).cost;
      sum += cost.train.published * cost.images * 1e-18;
    }
    return sum;
  };
  const auto four = [](const std::string& phase) {
    std::vector<std::string> names;
    for (int i = 0; i < 4; ++i) names.push_back(phase + "." + std::to_string(i));
    return names;
  };
  const std::vector<std::pair<std::vector<std::string>, double>> table{
      {{"pretrain"}, 24.0},    {four("incubate"), 63.2 - 29.75 * 0.1281167},
      {{"finetune"}, 47.3},    {four("distill"), 54.5},
      {{"final.m2mkd"}, 22.1}, {{"final.e2e"}, 66.2},
      {{"final.kd"}, 113.6}};
  for (const auto& [jobs, published] : table)
    EXPECT_NEAR(exa(jobs) / published, 1, 0.008) << jobs.front();
}

const auto name_of = [](const auto& parameter) { return parameter.param; };
const auto transformers =
    testing::Values("vmoe_base", "vmoe_large", "deit_base", "deit_large", "deit_huge");

class Recipes : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(FullSize, Recipes, transformers, name_of);
class Plans : public Recipes {};
INSTANTIATE_TEST_SUITE_P(FullSize, Plans, transformers, name_of);
INSTANTIATE_TEST_SUITE_P(FullSizeNac, Plans, testing::Values("nac_tiny_imagenet", "nac_imagenet"),
                         name_of);

TEST_P(Plans, AreMadeForAnyNumberOfRanks) {
  const Config config = full_size_config(GetParam());
  const JobList list = make_jobs(config);
  double before = std::numeric_limits<double>::infinity();
  for (const int ranks : {1, 2, 3, 8, 16, 64, 100, 512, 1000, 4096}) {
    double seconds = 0;
    std::size_t jobs_done = 0;
    for (const auto& names : assign_waves(list, ranks, config.machine)) {
      std::vector<const Job*> jobs;
      for (const auto& name : names) jobs.push_back(&list.find(name));
      jobs_done += jobs.size();
      const Wave wave = make_wave(jobs, ranks, config.machine);
      seconds += wave.seconds();
      for (const auto& group : wave.groups)
        for (const auto& pack : group.packs)
          EXPECT_LE(pack.memory * 1e-9, config.machine.memory_gb)
              << pack.jobs.front() << " on " << ranks << " ranks";
    }
    EXPECT_EQ(jobs_done, list.jobs.size());
    EXPECT_LE(seconds, before * (1 + 1e-9)) << ranks << " ranks";
    before = seconds;
  }
}

TEST_P(Recipes, AreReadTheSameWithThePublishedArithmetic) {
  const JobList ours = full_size(GetParam()),
                published = full_size(GetParam(), {{"compat", "published"}});
  ASSERT_EQ(ours.jobs.size(), published.jobs.size());
  for (const auto& job : ours.jobs) {
    const Job& other = published.find(job.name);
    EXPECT_EQ(job.cost.steps, other.cost.steps) << job.name;
    EXPECT_EQ(job.cost.train.published, other.cost.train.published) << job.name;
    EXPECT_NE(job.identity(), other.identity()) << job.name;
  }
}

}  // namespace
}  // namespace m2mkd
