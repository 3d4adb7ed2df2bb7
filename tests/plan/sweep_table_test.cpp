#include <m2mkd/report/summary.hpp>

#include "plan/small_config.hpp"

namespace m2mkd {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

/// A summary of finished trainings, as (method, prior, seed, acc1, assembled); assembled < 0: none.
struct Row {
  std::string method, prior;
  std::int64_t seed;
  double acc1, assembled;
};
TableFile summary(const std::vector<Row>& rows) {
  TableFile file;
  file.attributes["seeds_of"] = std::string("final");
  for (const auto& row : rows) {
    TableGroup group{"methods/" + row.method + (row.prior.empty() ? "" : "_" + row.prior) +
                         (row.seed < 0 ? "" : "_seed" + std::to_string(row.seed)),
                     {{"method", row.method}, {"acc1", row.acc1}},
                     {}};
    if (!row.prior.empty()) group.attributes["prior"] = row.prior;
    if (row.seed >= 0) group.attributes["seed"] = row.seed;
    if (row.assembled >= 0) group.attributes["acc1_assembled"] = row.assembled;
    file.groups.push_back(std::move(group));
  }
  return file;
}

TEST(SweepTable, HoldsMethodsByPriorsWithMeansOverSeeds) {
  const auto text = comparison_table(summary({{"e2e", "erdos_renyi", 1, 50, -1},
                                              {"e2e", "erdos_renyi", 2, 52, -1},
                                              {"e2e", "ring_of_cliques", 1, 40, -1},
                                              {"m2mkd", "erdos_renyi", 1, 60, 10},
                                              {"m2mkd", "erdos_renyi", 2, 60.5, 10},
                                              {"m2mkd", "ring_of_cliques", 1, 44, 20},
                                              {"m2mkd", "ring_of_cliques", 2, 46, 30}}));
  EXPECT_THAT(text, HasSubstr("\nacc1 %, mean ± standard deviation over 2 seeds of the end-to-end "
                              "phase (all before it is shared):\n"
                              "method               erdos_renyi   ring_of_cliques\n"
                              "e2e                 51.00 ± 1.41         40.00 (1)\n"
                              "m2mkd               60.25 ± 0.35      45.00 ± 1.41\n"
                              "\nassembled, before training:\n"
                              "method               erdos_renyi   ring_of_cliques\n"
                              "m2mkd               10.00 ± 0.00      25.00 ± 7.07\n"));
}

TEST(SweepTable, NeedsSeveralPriorsOrSeeds) {
  const auto one = comparison_table(summary({{"e2e", "", -1, 50, -1}, {"m2mkd", "", -1, 60, 10}}));
  EXPECT_THAT(one, Not(HasSubstr("acc1 %:")));
  const auto priors =
      comparison_table(summary({{"e2e", "erdos_renyi", -1, 50, -1}, {"e2e", "", -1, 60, -1}}));
  EXPECT_THAT(priors, AllOf(HasSubstr("\nacc1 %:\n"), Not(HasSubstr("deviation over"))));
  const auto seeds = comparison_table(summary({{"e2e", "", 1, 50, -1}, {"e2e", "", 2, 52, -1}}));
  EXPECT_THAT(seeds, HasSubstr("shared):\ne2e              51.00 ± 1.41\n"));
}

TEST(ComparisonTable, WidensForTheLongestName) {
  const auto text = comparison_table(summary({{"m2mkd", "planted_partition", 12, 50, 10}}));
  EXPECT_THAT(text, HasSubstr("\nm2mkd_planted_partition_seed12    50.00"));
  EXPECT_THAT(text, HasSubstr("\nmethod                           acc1 %"));
}

TEST(MethodRows, OfAFileWithoutTheAttributesAreNames) {
  TableFile old;
  old.groups.push_back({"methods", {}, {}});
  old.groups.push_back({"methods/kd", {{"acc1", 3.5}}, {}});
  const auto rows = method_rows(old);
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].method, "kd");
  EXPECT_EQ(rows[0].prior, "");
  EXPECT_EQ(rows[0].seed, -1);
  EXPECT_EQ(rows[0].number("acc1"), 3.5);
}

}  // namespace
}  // namespace m2mkd
