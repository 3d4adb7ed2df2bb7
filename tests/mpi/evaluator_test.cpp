#include "support/mpi_training.hpp"
#include "support/toy_stage.hpp"

namespace m2mkd {
namespace {

using namespace test;

class Evaluation : public MpiTraining {};

// 3 images leave a rank of four, and 1 image all but one, without any.
TEST_F(Evaluation, ShardsSumToTheWhole) {
  for (const std::int64_t count : {1, 3, 37}) {
    const auto path = run(std::to_string(count) + ".h5");
    if (world().rank() == 0) write_toy_data(path, count);
    world().barrier();
    DataOptions data;
    data.train = data.test = path;
    const auto found = evaluate_toy({toy_chain()}, data, world());
    const Accuracy expected = toy_accuracy(count);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->front().count, count);
    EXPECT_NEAR(found->front().acc1, expected.acc1, 1e-12);
    EXPECT_NEAR(found->front().acc5, expected.acc5, 1e-12);
    EXPECT_NEAR(found->front().loss, expected.loss, 1e-12);
    EXPECT_EQ(found->front().expert_load, expected.expert_load);
  }
}

TEST_F(Evaluation, EndsWithNothingOnAllRanksWhenOneIsStopped) {
  const auto path = run("toy.h5");
  if (world().rank() == 0) write_toy_data(path, 37);
  world().barrier();
  DataOptions data;
  data.train = data.test = path;
  if (world().rank() == world().size() - 1) stop::request();
  EXPECT_FALSE(evaluate_toy({toy_chain()}, data, world()).has_value());
}

}  // namespace
}  // namespace m2mkd
