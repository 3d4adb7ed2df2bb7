// Every rank's place on its host.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace m2mkd
