#include <ATen/ATen.h>

#include <m2mkd/store/checkpoint.hpp>
#include <m2mkd/store/text_file.hpp>

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
  EXPECT_EQ(integer_attribute(back.attributes, "step"), 100);
  EXPECT_TRUE(at::equal(back.tensors[0].second, state(100).tensors[0].second));
}

TEST_F(CheckpointTest, SavingAStepAgainReplacesIt) {
  folder_.save(5, state(5));
  folder_.save(5, state(6));
  EXPECT_THAT(folder_.steps(), ElementsAre(5));
  EXPECT_EQ(integer_attribute(folder_.load(5).attributes, "step"), 6);
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

TEST_F(CheckpointTest, ADamagedOneIsNotUsedAndCanBeSetAside) {
  for (const auto step : {5, 6}) folder_.save(step, state(step));
  std::filesystem::resize_file(folder_.path(6), 3000);
  EXPECT_THROW(folder_.load(6), Error);
  EXPECT_NO_THROW(folder_.load(5));
  EXPECT_THROW(folder_.load(7), Error) << "there is no such step";
  folder_.set_aside(6);
  EXPECT_THAT(folder_.steps(), ElementsAre(5));
  EXPECT_TRUE(std::filesystem::exists(folder_.path(6).string() + ".unusable"));
}

TEST_F(CheckpointTest, ProgressThatWasDamagedIsNotUsed) {
  folder_.save(5, state(5));
  damage(folder_.path(5), "texts of step 5");
  EXPECT_THROW(folder_.load(5), Error);
}

TEST_F(CheckpointTest, ValuesThatAreNotFiniteAreNotUsed) {
  auto broken = state(5);
  broken.tensors.emplace_back("progress/epochs/acc1", at::full({2}, NAN));
  folder_.save(5, broken);
  EXPECT_NO_THROW(folder_.load(5)) << "an accuracy that was not measured";
  broken.tensors.emplace_back("optimizer/norm.bias/exp_avg_sq", at::full({2}, INFINITY));
  folder_.save(6, broken);
  EXPECT_THAT([&] { folder_.load(6); },
              testing::ThrowsMessage<Error>(testing::HasSubstr(
                  "optimizer/norm.bias/exp_avg_sq has 2 of 2 values that are not finite")));
}

TEST_F(CheckpointTest, LaterStepsAreNeverRemoved) {
  for (const auto step : {10, 20}) folder_.save(step, state(step));
  for (const auto step : {12, 14, 16}) folder_.save(step, state(step));
  EXPECT_THAT(folder_.steps(), ElementsAre(20, 16, 14));
}

TEST_F(CheckpointTest, RemoveLeavesWhatIsNotOurs) {
  folder_.save(5, state(5));
  folder_.save(6, state(6));
  folder_.set_aside(6);
  for (const auto* name : {"notes.txt", "step-0000000005.h5.bak", "my.h5.tmp.12345"})
    write_text_file(at("checkpoints/distill.0") / name, "somebody else's");
  write_text_file(at("checkpoints/distill.0/step-0000000009.h5.tmp.12345"), "half a checkpoint");
  folder_.remove();
  std::vector<std::string> left;
  for (const auto& entry : std::filesystem::directory_iterator(at("checkpoints/distill.0")))
    left.push_back(entry.path().filename().string());
  EXPECT_THAT(left, testing::UnorderedElementsAre("notes.txt", "step-0000000005.h5.bak",
                                                  "my.h5.tmp.12345"));
}

TEST_F(CheckpointTest, RemoveTakesTheFolderAway) {
  folder_.save(5, state(5));
  folder_.remove();
  EXPECT_FALSE(std::filesystem::exists(at("checkpoints/distill.0")));
  folder_.remove();
}

}  // namespace
}  // namespace m2mkd
