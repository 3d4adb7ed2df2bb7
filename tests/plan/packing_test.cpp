#include <fmt/ranges.h>

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <m2mkd/base/stopwatch.hpp>
#include <m2mkd/plan/packing.hpp>

#include "plan/hand_made.hpp"

namespace m2mkd {
namespace {

using test::costed;
using test::mixed_jobs;
using test::names;
using test::pointers;
using test::small_job;
using testing::ElementsAre;
using testing::HasSubstr;

const Job& named(const std::vector<Job>& jobs, const std::string& name) {
  return *std::ranges::find(jobs, name, &Job::name);
}

std::vector<std::string> names(const Wave& wave) {
  std::vector<std::string> all;
  for (const auto& group : wave.groups)
    for (const auto& pack : group.packs) all.insert(all.end(), pack.jobs.begin(), pack.jobs.end());
  return all;
}

class AnyRanks : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Waves, AnyRanks, testing::ValuesIn(test::kRanks));

TEST_P(AnyRanks, HoldEveryJobOnceInDisjointGroups) {
  const auto jobs = mixed_jobs();
  const Wave wave = make_wave(pointers(jobs), GetParam(), {});
  EXPECT_THAT(names(wave), testing::UnorderedElementsAreArray(names(jobs)));
  int next = 0;
  for (const auto& group : wave.groups) {
    EXPECT_EQ(group.first, next);
    EXPECT_GE(group.ranks, 1);
    next = group.first + group.ranks;
    EXPECT_FALSE(group.packs.empty());
    EXPECT_TRUE(std::ranges::is_sorted(group.packs, std::ranges::greater{}, &Pack::seconds))
        << "dearest first";
  }
  EXPECT_LE(next, GetParam());
}

TEST_P(AnyRanks, HaveNoRankWithoutAMicroBatch) {
  const auto jobs = mixed_jobs(80);
  for (const auto& group : make_wave(pointers(jobs), GetParam(), {}).groups)
    for (const auto& pack : group.packs)
      for (const auto& name : pack.jobs) EXPECT_LE(group.ranks, named(jobs, name).micro_batches());
}

TEST_P(AnyRanks, PackOnlyWhatCanShareAndPredictIt) {
  const auto jobs = mixed_jobs();
  const MachineOptions machine;
  for (const auto& group : make_wave(pointers(jobs), GetParam(), machine).groups)
    for (const auto& pack : group.packs) {
      std::vector<const Job*> members;
      for (const auto& name : pack.jobs) members.push_back(&named(jobs, name));
      for (const Job* job : members)
        EXPECT_TRUE(job == members.front() || can_share(*job, *members.front()));
      EXPECT_TRUE(std::ranges::is_sorted(members, {}, &Job::stage));
      EXPECT_DOUBLE_EQ(pack.seconds, test::pack_seconds(members, group.ranks, machine));
      EXPECT_DOUBLE_EQ(pack.memory, pack_memory(members, group.ranks));
    }
}

TEST_P(AnyRanks, AreTheSameWhateverTheOrderOfTheirJobs) {
  auto jobs = mixed_jobs();
  auto order = pointers(jobs);
  const auto text = wave_json(make_wave(order, GetParam(), {}), 0, GetParam());
  std::ranges::reverse(order);
  EXPECT_EQ(wave_json(make_wave(order, GetParam(), {}), 0, GetParam()), text);
}

TEST(Waves, AreNeverSlowerWithMoreRanks) {
  for (const std::int64_t batch : {64, 80, 400}) {
    for (const double bandwidth : {2.0, 0.01}) {
      const auto jobs = mixed_jobs(batch);
      MachineOptions machine;
      machine.reduce_gb_s = bandwidth;
      double before = std::numeric_limits<double>::infinity();
      for (int ranks = 1; ranks <= 40; ++ranks) {
        const double seconds = make_wave(pointers(jobs), ranks, machine).seconds();
        EXPECT_LE(seconds, before)
            << ranks << " ranks, batch " << batch << ", " << bandwidth << " GB/s";
        before = seconds;
      }
    }
  }
}

TEST(Waves, OnOneRankAreOnePackPerFamily) {
  const auto jobs = mixed_jobs();
  const Wave wave = make_wave(pointers(jobs), 1, {});
  ASSERT_EQ(wave.groups.size(), 1U);
  EXPECT_EQ(wave.groups[0].packs.size(), 5U);
}

TEST(Waves, UseTheirRanksWell) {
  const auto jobs = mixed_jobs();
  MachineOptions machine;
  machine.gflops = 4;  // so that starting a job does not count
  const double one = make_wave(pointers(jobs), 1, machine).seconds();
  for (const auto& [ranks, least] : {std::pair(2, 0.97), {3, 0.9}, {4, 0.9}, {8, 0.85}})
    EXPECT_GT(one / make_wave(pointers(jobs), ranks, machine).seconds() / ranks, least) << ranks;
}

TEST(Waves, OfOneJobTakeAsManyRanksAsItHasMicroBatches) {
  const std::vector<Job> jobs{costed(small_job("pretrain", Phase::pretrain, Role::meta, -1))};
  for (const auto& [ranks, used] : {std::pair(1, 1), {2, 2}, {3, 2}, {4, 4}, {64, 4}}) {
    const Wave wave = make_wave(pointers(jobs), ranks, {});
    ASSERT_EQ(wave.groups.size(), 1U);
    EXPECT_EQ(wave.groups[0].ranks, used) << ranks;
  }
}

TEST(Waves, QueueJobsOnAllRanksWhereThatIsFaster) {
  // Three equal jobs on two ranks: one after another on both takes 1.5, side by side 2.
  std::vector<Job> jobs;
  for (const char* name : {"a", "b", "c"})
    jobs.push_back(costed(small_job(name, Phase::final, Role::student, -1)));
  MachineOptions machine;
  machine.reduce_gb_s = 1e3;
  const Wave wave = make_wave(pointers(jobs), 2, machine);
  ASSERT_EQ(wave.groups.size(), 1U);
  EXPECT_EQ(wave.groups[0].ranks, 2);
  EXPECT_EQ(wave.groups[0].packs.size(), 3U);
}

TEST(Waves, GiveRanksInProportion) {
  // 36 micro-batches; 9 and 3 ranks keep both busy for equally long, and reduce over fewer ranks
  // than a common group.
  auto dear = small_job("dear", Phase::final, Role::student, -1), cheap = dear;
  dear.train.schedule.epochs = 30;
  dear.train.batch = cheap.train.batch = 576;
  cheap.name = "cheap";
  cheap.train.schedule.epochs = 10;
  const std::vector<Job> jobs{costed(dear), costed(cheap)};
  MachineOptions machine;
  machine.reduce_gb_s = 1;
  const Wave wave = make_wave(pointers(jobs), 12, machine);
  ASSERT_EQ(wave.groups.size(), 2U);
  EXPECT_THAT(wave.groups[0].packs[0].jobs, ElementsAre("dear"));
  EXPECT_EQ(wave.groups[0].ranks, 9);
  EXPECT_EQ(wave.groups[1].ranks, 3);
}

TEST(Waves, SplitPacksThatDoNotFitIntoMemory) {
  std::vector<Job> jobs;
  for (int i = 0; i < 4; ++i)
    jobs.push_back(
        costed(small_job("distill." + std::to_string(i), Phase::distill, Role::student, i)));
  MachineOptions machine;
  double two = 0;
  for (std::size_t i = 0; i + 1 < jobs.size(); ++i)
    two = std::max(two, pack_memory(std::vector<const Job*>{&jobs[i], &jobs[i + 1]}, 1));
  machine.memory_gb = two * 1.001 / 1e9;
  const Wave wave = make_wave(pointers(jobs), 1, machine);
  EXPECT_THAT(names(wave), testing::UnorderedElementsAreArray(names(jobs)));
  EXPECT_EQ(wave.groups[0].packs.size(), 2U);
  for (const auto& pack : wave.groups[0].packs) EXPECT_LE(pack.memory, machine.memory_gb * 1e9);
}

TEST(Waves, TakeMoreRanksWhereMemoryAsksForThem) {
  const std::vector<Job> jobs{costed(small_job("a", Phase::final, Role::student, -1)),
                              costed(small_job("b", Phase::final, Role::student, -1))};
  MachineOptions machine;
  machine.memory_gb = pack_memory(std::vector<const Job*>{&jobs[0]}, 4) * 1.001 / 1e9;
  for (const int ranks : {4, 8}) {
    const Wave wave = make_wave(pointers(jobs), ranks, machine);
    EXPECT_EQ(wave.groups.size(), ranks == 4 ? 1U : 2U);
    for (const auto& group : wave.groups) {
      EXPECT_EQ(group.ranks, 4);
      for (const auto& pack : group.packs) EXPECT_LE(pack.memory, machine.memory_gb * 1e9);
    }
  }
}

TEST(Waves, LetRanksIdleInAGroupWhereOnlyMemoryNeedsThem) {
  auto narrow = small_job("narrow", Phase::pretrain, Role::meta, -1);
  narrow.train.micro_batch = 32;  // 2 micro-batches
  const std::vector<Job> jobs{costed(small_job("wide", Phase::final, Role::student, -1)),
                              costed(narrow)};
  MachineOptions machine;
  machine.memory_gb = pack_memory(std::vector<const Job*>{&jobs[0]}, 4) * 1.001 / 1e9;
  const Wave wave = make_wave(pointers(jobs), 4, machine);
  ASSERT_EQ(wave.groups.size(), 1U);
  EXPECT_EQ(wave.groups[0].ranks, 4);
  EXPECT_THAT(names(wave), ElementsAre("wide", "narrow"));
  for (const auto& pack : wave.groups[0].packs) EXPECT_LE(pack.memory, machine.memory_gb * 1e9);
}

TEST(Waves, PlanAJobThatFitsNowhereAndSayIt) {
  const std::vector<Job> jobs = mixed_jobs();
  MachineOptions machine;
  machine.memory_gb = 1e-6;
  const Wave wave = make_wave(pointers(jobs), 8, machine);
  const std::string text = fmt::format("{}", fmt::join(wave.warnings, "\n"));
  EXPECT_THAT(names(wave), testing::UnorderedElementsAreArray(names(jobs)));
  for (const auto& job : jobs) EXPECT_THAT(text, HasSubstr(job.name + ": needs about"));
  EXPECT_THAT(text, HasSubstr("machine.memory_gb"));
}

TEST(Waves, OfNothingAreEmpty) {
  EXPECT_TRUE(make_wave({}, 4, {}).groups.empty());
}

TEST(Waves, ArePlannedInAMoment) {
  std::vector<Job> jobs;
  for (int seed = 0; seed < 5; ++seed)
    for (int i = 0; i < 8; ++i) {
      Job job = small_job("distill." + std::to_string(10 * seed + i), Phase::distill, Role::student,
                          i % 4);
      job.train.batch = 4096;
      job.seed = static_cast<std::uint64_t>(seed);
      jobs.push_back(costed(job));
    }
  for (const int ranks : {1, 64, 4096}) {
    const Stopwatch watch;
    make_wave(pointers(jobs), ranks, {});
    EXPECT_LT(watch.seconds(), 2.0) << ranks;
    RecordProperty("milliseconds_" + std::to_string(ranks),
                   static_cast<int>(1e3 * watch.seconds()));
  }
}

}  // namespace
}  // namespace m2mkd
