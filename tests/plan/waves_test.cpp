#include <algorithm>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/plan/packing.hpp>

#include "plan/hand_made.hpp"

namespace m2mkd {
namespace {

using test::costed;
using test::mixed_jobs;
using test::names;
using test::pointers;
using test::small_job;
using testing::Contains;

/// pretrain → 4 × incubate → finetune → 4 × distill → final, and two baselines without children.
JobList recipe() {
  JobList list;
  const auto add = [&](Job job, int wave) {
    job.wave = wave;
    list.jobs.push_back(costed(std::move(job)));
  };
  add(small_job("pretrain", Phase::pretrain, Role::meta, -1), 0);
  for (int i = 0; i < 4; ++i)
    add(small_job("incubate." + std::to_string(i), Phase::incubate, Role::teacher, i), 1);
  Job finetune = small_job("finetune", Phase::finetune, Role::teacher, -1);
  PartsStart incubated, distilled;
  for (int i = 0; i < 4; ++i) incubated.parts.push_back({"incubate." + std::to_string(i), {}});
  finetune.start = incubated;
  add(finetune, 2);
  Job final = small_job("final.m2mkd", Phase::final, Role::student, -1);
  for (int i = 0; i < 4; ++i) {
    Job job = small_job("distill." + std::to_string(i), Phase::distill, Role::student, i);
    job.teachers.push_back(
        {"teacher", finetune.model, job.meta, false, {"finetune", {}}, job.meta_weights});
    add(job, 3);
    distilled.parts.push_back({job.name, {}});
  }
  final.start = distilled;
  Job kd = small_job("final.kd", Phase::final, Role::student, -1);
  kd.teachers.push_back({"teacher", finetune.model, {}, true, {"finetune", {}}, {}});
  add(kd, 3);
  add(small_job("final.e2e", Phase::final, Role::student, -1), 0);
  add(final, 4);
  return list;
}

int wave_of(const std::vector<std::vector<std::string>>& waves, const std::string& name) {
  for (std::size_t w = 0; w < waves.size(); ++w)
    if (std::ranges::count(waves[w], name) > 0) return static_cast<int>(w);
  return -1;
}

TEST(AssignWaves, PutsEveryJobOnceAndAfterItsParents) {
  const JobList list = recipe();
  for (const int ranks : test::kRanks) {
    const auto waves = assign_waves(list, ranks, {});
    EXPECT_EQ(waves.size(), 5U);
    std::vector<std::string> all;
    for (const auto& wave : waves) all.insert(all.end(), wave.begin(), wave.end());
    EXPECT_THAT(all, testing::UnorderedElementsAreArray(names(list.jobs)));
    for (const auto& job : list.jobs) {
      EXPECT_GE(wave_of(waves, job.name), job.wave);
      for (const auto& parent : job.parents())
        EXPECT_LT(wave_of(waves, parent), wave_of(waves, job.name)) << job.name;
    }
    EXPECT_EQ(assign_waves(list, ranks, {}), waves);
  }
}

TEST(AssignWaves, FillsGapsWithLeaves) {
  // On 8 ranks, 4 micro-batches leave half of them idle while one network trains; four stages fill
  // all.
  const JobList list = recipe();
  const auto waves = assign_waves(list, 8, {});
  EXPECT_THAT((std::set{0, 2, 4}), Contains(wave_of(waves, "final.e2e")));
  EXPECT_EQ(wave_of(waves, "final.kd"), 4);
  EXPECT_NE(wave_of(waves, "final.e2e"), 4)
      << "beside final.kd and final.m2mkd it would have to wait";
}

TEST(AssignWaves, OfAnEmptyListIsEmpty) {
  EXPECT_TRUE(assign_waves({}, 4, {}).empty());
}

TEST(WaveJson, RoundTrips) {
  const auto jobs = mixed_jobs();
  const Wave wave = make_wave(pointers(jobs), 3, {});
  const std::string text = wave_json(wave, 2, 3);
  EXPECT_EQ(wave_json(wave_from_json(text), 2, 3), text);
  EXPECT_EQ(wave_from_json(text).seconds(), wave.seconds());
  EXPECT_THAT(text.substr(0, text.find('\n')),
              testing::StartsWith(R"({"wave": 2, "ranks": 3, "jobs": [")"));
}

TEST(WaveJson, RefusesWhatIsNoWave) {
  const auto jobs = mixed_jobs();
  std::string text = wave_json(make_wave(pointers(jobs), 3, {}), 2, 3);
  EXPECT_THROW(wave_from_json(""), Error);
  EXPECT_THROW(wave_from_json("{}"), Error);
  EXPECT_THROW(wave_from_json("[1]"), Error);
  EXPECT_THROW(wave_from_json(text.substr(0, text.size() / 2)), Error);
  const auto change = [&](const std::string& from, const std::string& to) {
    std::string other = text;
    other.replace(other.find(from), from.size(), to);
    return other;
  };
  EXPECT_THROW(wave_from_json(change("\"ranks\": 3", "\"ranks\": 1")), Error);
  EXPECT_THROW(wave_from_json(change("\"first\":0", "\"first\":-1")), Error);
  EXPECT_THROW(wave_from_json(change("{\"jobs\":[\"", "{\"jobs\":[7,\"")), Error);
}

}  // namespace
}  // namespace m2mkd
