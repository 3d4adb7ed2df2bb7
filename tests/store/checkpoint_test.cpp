#include <ATen/ATen.h>

#include <m2mkd/store/checkpoint.hpp>

#include "scratch.hpp"

namespace m2mkd {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class CheckpointTest : public test::Scratch {
 protected:
  static TensorFile state(std::int64_t step) {
    return {{{"step", step}, {"progress", "texts of step " + std::to_string(step)}},
            {{"w", at::full({300}, static_cast<double>(step), at::kFloat)}}};
  }
  CheckpointFolder folder_{at("checkpoints/distill.0")};
};

TEST_F(CheckpointTest, AnAbsentFolderHasNoSteps) {
  EXPECT_THAT(folder_.steps(), IsEmpty());
}

TEST_F(CheckpointTest, TheTwoNewestAreKept) {
  for (const auto step : {5, 100, 20000}) folder_.save(step, state(step));
  EXPECT_THAT(folder_.steps(), ElementsAre(20000, 100));
  EXPECT_EQ(folder_.path(100).filename(), "step-0000000100.h5");
  EXPECT_FALSE(std::filesystem::exists(folder_.path(5)));
  const auto back = folder_.load(100);
  ASSERT_TRUE(back);
  EXPECT_EQ(integer_attribute(back->attributes, "step"), 100);
  EXPECT_TRUE(at::equal(back->tensors[0].second, state(100).tensors[0].second));
}

TEST_F(CheckpointTest, SavingAStepAgainReplacesIt) {
  folder_.save(5, state(5));
  folder_.save(5, state(6));
  EXPECT_THAT(folder_.steps(), ElementsAre(5));
  EXPECT_EQ(integer_attribute(folder_.load(5)->attributes, "step"), 6);
}

TEST_F(CheckpointTest, LeftoversAreIgnoredAndCleared) {
  folder_.save(5, state(5));
  write_text_file(at("checkpoints/distill.0/step-0000000009.h5.tmp.12345"), "half of a checkpoint");
  write_text_file(at("checkpoints/distill.0/step-000000000x.h5"), "no step");
  EXPECT_THAT(folder_.steps(), ElementsAre(5));
  folder_.save(6, state(6));
  EXPECT_FALSE(std::filesystem::exists(at("checkpoints/distill.0/step-0000000009.h5.tmp.12345")));
  EXPECT_TRUE(std::filesystem::exists(at("checkpoints/distill.0/step-000000000x.h5")));
}

TEST_F(CheckpointTest, ADamagedNewestFallsBackToTheOneBefore) {
  for (const auto step : {5, 6}) folder_.save(step, state(step));
  std::filesystem::resize_file(folder_.path(6), 3000);
  EXPECT_FALSE(folder_.load(6));
  EXPECT_TRUE(folder_.load(5));
  EXPECT_FALSE(folder_.load(7)) << "there is no such step";
}

TEST_F(CheckpointTest, ProgressThatWasDamagedIsNotUsed) {
  folder_.save(5, state(5));
  damage(folder_.path(5), "texts of step 5");
  EXPECT_FALSE(folder_.load(5));
}

TEST_F(CheckpointTest, StepsOfALeftHistoryAreRemoved) {
  for (const auto step : {10, 20}) folder_.save(step, state(step));
  folder_.save(15, state(15));  // after restoring step 10
  EXPECT_THAT(folder_.steps(), ElementsAre(15, 10));
}

TEST_F(CheckpointTest, RemoveTakesTheFolderAway) {
  folder_.save(5, state(5));
  folder_.remove();
  EXPECT_FALSE(std::filesystem::exists(at("checkpoints/distill.0")));
  folder_.remove();
}

}  // namespace
}  // namespace m2mkd
