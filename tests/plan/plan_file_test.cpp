// The record of a wave is reused only where its jobs still belong together.

#include <m2mkd/run/plan_file.hpp>
#include <m2mkd/store/table_file.hpp>
#include <m2mkd/store/text_file.hpp>

#include "data/packed.hpp"
#include "plan/small_config.hpp"

namespace m2mkd {
namespace {

using namespace test;

class Plan : public testing::Test {
 protected:
  // Jobs of one phase of m2mkd and m2mkd_nokd, with changed settings.
  JobList jobs(Changes changes = {}) const {
    changes.emplace_back("run.methods", "m2mkd incubation");
    return small_jobs(changes);
  }
  static std::vector<const Job*> incubated(const JobList& list) {
    std::vector<const Job*> some;
    for (const auto& job : list.jobs)
      if (job.phase == Phase::incubate) some.push_back(&job);
    return some;
  }
  std::string wave(const JobList& list, int ranks = 1) const {
    PlanFile plan(folder_.path() / "plan.json", ranks);
    plan.read();
    return wave_json(plan.wave(0, incubated(list), MachineOptions{}), 0, ranks);
  }
  Folder folder_;
};

TEST_F(Plan, IsReusedAsItIsRecorded) {
  const auto list = jobs();
  wave(list);
  // A record that nobody would make: every job alone.
  auto text = read_text_file(folder_.path() / "plan.json");
  const auto at = text.find("\"seconds\": ");
  ASSERT_NE(at, std::string::npos);
  text.insert(at + 11, "77");
  write_text_file(folder_.path() / "plan.json", text);
  EXPECT_THAT(wave(list), testing::HasSubstr("77")) << "what is recorded is used";
  EXPECT_THAT(wave(list, 2), testing::Not(testing::HasSubstr("77"))) << "on as many ranks";
}

TEST_F(Plan, IsMadeAnewWhereAJobsDataOrBatchesChanged) {
  const auto packs = [&](const JobList& list) {
    std::vector<std::vector<std::string>> names;
    for (const auto& group : wave_from_json(wave(list)).groups)
      for (const auto& pack : group.packs) names.push_back(pack.jobs);
    return names;
  };
  const auto together = packs(jobs());
  ASSERT_EQ(together.size(), 1U) << "all share their batches";
  ASSERT_EQ(together.front().size(), 6U);
  // [incubate.incubation] alone changes: its jobs leave the pack, although all names are recorded.
  for (const Changes& change : {Changes{{"incubate.incubation.batch", "32"}},
                                Changes{{"incubate.incubation.precision", "fp64"}}}) {
    for (const auto& pack : packs(jobs(change))) EXPECT_EQ(pack.size(), 3U);
    EXPECT_EQ(packs(jobs()).size(), 1U) << "and come back";
  }
}

}  // namespace
}  // namespace m2mkd
