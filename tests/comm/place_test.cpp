// Cores, threads and pieces of large buffers: what needs no second rank.

#include "../../src/comm/place.hpp"

#include <cstdlib>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <m2mkd/base/host.hpp>
#include <m2mkd/comm/session.hpp>

#include "../../src/comm/chunks.hpp"

namespace m2mkd {
namespace {

/// Sets an environment variable for the life of one test.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    setenv(name, value, 1);
  }
  ~Variable() { old_ ? setenv(name_, old_->c_str(), 1) : unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> old_;
};

TEST(Place, CoresPrintAsRanges) {
  EXPECT_EQ(cores_text({0, 1}), "0-1");
  EXPECT_EQ(cores_text({3}), "3");
  EXPECT_EQ(cores_text({0, 1, 2, 3, 8, 10, 11}), "0-3,8,10-11");
  EXPECT_EQ(cores_text({}), "");
}

TEST(Place, ThisProcessHasACore) {
  EXPECT_FALSE(allowed_cores().empty());
}

TEST(Place, RanksShareTheCoresThatTheyHaveInCommon) {
  const std::vector<int> low{0, 1, 2, 3}, high{4, 5, 6, 7};
  EXPECT_EQ(threads_for(low, {low}), 4);
  EXPECT_EQ(threads_for(low, {low, low}), 2);       // unbound: two ranks on four cores
  EXPECT_EQ(threads_for(low, {low, high}), 4);      // bound to halves: nobody shares
  EXPECT_EQ(threads_for(low, {low, low, low}), 1);  // rounded down
  EXPECT_EQ(threads_for({0}, {{0}, {0}, {0}}), 1);  // more ranks than cores
}

TEST(Place, EnvironmentNamesTheThreads) {
  const char* name = "OMP_NUM_THREADS";
  EXPECT_EQ((Variable(name, "3"), threads_of_environment()), 3);
  EXPECT_EQ((Variable(name, "4,2"), threads_of_environment()), 4);
  EXPECT_EQ((Variable(name, "many"), threads_of_environment()), std::nullopt);
  EXPECT_EQ((Variable(name, "0"), threads_of_environment()), std::nullopt);
}

TEST(Chunks, CoverEverythingOnceInOrder) {
  std::vector<std::pair<std::int64_t, int>> pieces;
  const auto note = [&](std::int64_t offset, int length) { pieces.emplace_back(offset, length); };
  for_chunks(10, note, 4);
  EXPECT_EQ(pieces, (std::vector<std::pair<std::int64_t, int>>{{0, 4}, {4, 4}, {8, 2}}));
  pieces.clear();
  for_chunks((std::int64_t{1} << 32) + 5, note);
  ASSERT_EQ(pieces.size(), 5U);
  EXPECT_EQ(pieces.back(), (std::pair<std::int64_t, int>{std::int64_t{1} << 32, 5}));
  pieces.clear();
  for_chunks(0, note);
  EXPECT_TRUE(pieces.empty());
}

TEST(Session, WorksWithoutALauncherAndOnlyOnce) {
  const Variable environment("OMP_NUM_THREADS", "2");
  {
    Session session;
    EXPECT_EQ(session.world().size(), 1);
    EXPECT_EQ(session.info().local_rank, 0);
    EXPECT_EQ(session.info().local_size, 1);
    EXPECT_EQ(session.info().threads, 2);
    session.set_threads(1);  // run.threads wins over the environment
    EXPECT_EQ(session.info().threads, 1);
    EXPECT_EQ(at::get_num_threads(), 1);
    EXPECT_EQ(session.info().cores, cores_text(allowed_cores()));
    EXPECT_EQ(session.info().host, host_name());
    EXPECT_EQ(session.info().device, session.device().str());
    ASSERT_EQ(session.all_infos().size(), 1U);
    EXPECT_EQ(session.all_infos()[0].cores, session.info().cores);
    const Session inner;
    EXPECT_EQ(inner.info().threads, 2);
  }
  EXPECT_ANY_THROW(Session());
}

TEST(Session, GuessesTheRankFromTheLaunchersEnvironment) {
  unsetenv("OMPI_COMM_WORLD_RANK");
  unsetenv("PMIX_RANK");
  unsetenv("PMI_RANK");
  unsetenv("SLURM_PROCID");
  EXPECT_EQ(Session::rank_hint(), 0);
  const Variable slurm("SLURM_PROCID", "5");
  EXPECT_EQ(Session::rank_hint(), 5);
  const Variable mpirun("OMPI_COMM_WORLD_RANK", "3");
  EXPECT_EQ(Session::rank_hint(), 3);
}

using SessionDeathTest = testing::Test;

TEST(SessionDeathTest, AbortWithoutMpiExitsWithItsCode) {
  EXPECT_EXIT(Session::abort(7), testing::ExitedWithCode(7), "");
}

TEST(Place, ThisProcessHasTheCoresItIsBoundTo) {
  const auto before = allowed_cores();
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<std::size_t>(before.back()), &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  const auto bound = allowed_cores();
  cpu_set_t all;
  CPU_ZERO(&all);
  for (const int core : before) CPU_SET(static_cast<std::size_t>(core), &all);
  ASSERT_EQ(sched_setaffinity(0, sizeof all, &all), 0);
  EXPECT_EQ(bound, std::vector<int>{before.back()});
  EXPECT_EQ(allowed_cores(), before);
}

}  // namespace
}  // namespace m2mkd
