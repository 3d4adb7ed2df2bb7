// Every rank's place on its host, and its share of the memory.

#include <fstream>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <m2mkd/run/rank_memory.hpp>

#include "support/mpi_world.hpp"

namespace m2mkd {
namespace {

using test::session;
using test::world;

TEST(Session, TellsEveryRanksPlace) {
  const std::vector<RankInfo> infos = session().all_infos();
  ASSERT_EQ(static_cast<int>(infos.size()), world().size());
  const RankInfo& mine = infos[static_cast<std::size_t>(world().rank())];
  EXPECT_EQ(mine.host, session().info().host);
  EXPECT_EQ(mine.local_rank, session().info().local_rank);
  EXPECT_EQ(mine.device, session().device().str());
  EXPECT_EQ(mine.threads, at::get_num_threads());
  EXPECT_FALSE(mine.cores.empty());
  for (int rank = 0; rank < world().size(); ++rank) {
    EXPECT_EQ(infos[rank].host, infos[0].host);  // the tests run on one host
    EXPECT_EQ(infos[rank].local_rank, rank);
    EXPECT_EQ(infos[rank].local_size, world().size());
  }
}

TEST(Session, EnvironmentTellsTheRankBeforeMpi) {
  EXPECT_EQ(Session::rank_hint(), world().rank());
}

// The kernel says how much memory the host has; a batch job may have less.
TEST(Session, ItsRanksShareTheHostsMemory) {
  std::ifstream file("/proc/meminfo");
  std::string word;
  double kilobytes = 0;
  file >> word >> kilobytes;
  ASSERT_EQ(word, "MemTotal:");
  const double all = rank_memory(session(), session().all_infos()) * world().size();
  EXPECT_GT(all, 1e8);
  EXPECT_LT(all, 1.1 * 1024 * kilobytes);
}

}  // namespace
}  // namespace m2mkd
