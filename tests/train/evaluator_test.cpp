#include <gtest/gtest.h>

#include <m2mkd/train/prefix.hpp>

#include "support/small_data.hpp"
#include "support/toy_stage.hpp"

namespace m2mkd {
namespace {

using namespace test;

class Evaluator : public testing::Test {
 protected:
  ~Evaluator() override { std::filesystem::remove_all(folder_); }
  const std::filesystem::path folder_ = make_folder();
  const DataOptions data_ = write_toy_data(folder_ / "toy.h5", 37);
};

TEST_F(Evaluator, CountsTrueAccuraciesOverEveryImage) {
  const auto found = evaluate_toy({toy_chain()}, data_, {});
  const Accuracy expected = toy_accuracy(37);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->front().count, 37);
  EXPECT_NEAR(found->front().acc1, expected.acc1, 1e-12);
  EXPECT_NEAR(found->front().acc5, expected.acc5, 1e-12);
  EXPECT_NEAR(found->front().loss, expected.loss, 1e-12);
  EXPECT_EQ(found->front().expert_load, expected.expert_load);
  EXPECT_GT(expected.acc1, 0);
  EXPECT_LT(expected.acc5, 100);
}

TEST_F(Evaluator, ComputesWhatChainsHaveInCommonOnce) {
  const Chain a = toy_chain();
  const Chain b = splice(a, 2, std::make_shared<ToyStage>(true));
  const auto found = evaluate_toy({a, b}, data_, {});
  EXPECT_EQ(forwards(a, 0), 10);  // 37 images in batches of 4
  EXPECT_EQ(forwards(a, 1), 10);
  EXPECT_EQ(forwards(a, 2), 10);
  EXPECT_EQ(forwards(b, 2), 10);
  EXPECT_EQ(found->at(0).acc1, found->at(1).acc1);
}

TEST_F(Evaluator, HandsOverTheLogitsOfEveryImage) {
  const Dataset dataset(data_, Split::test);
  std::vector<std::int64_t> firsts;
  evaluate(std::vector{toy_chain()},
           {dataset, data_, 16, Precision::fp64, {}, c10::Device(c10::kCPU)},
           [&](std::int64_t first, const at::Tensor& logits) {
             firsts.push_back(first);
             EXPECT_EQ(logits[1][3].item<double>(), toy_logit(first + 1, 3));
           });
  EXPECT_EQ(firsts, (std::vector<std::int64_t>{0, 16, 32}));
}

TEST(Accuracy, HasTheStandardErrorOfAShare) {
  Accuracy a;
  EXPECT_EQ(a.standard_error(), 0);
  a.acc1 = 90;
  a.count = 10000;
  EXPECT_NEAR(a.standard_error(), 0.3, 1e-12);
}

TEST_F(Evaluator, MayLeaveOutTheLastSmallerBatch) {
  EXPECT_EQ(scored_images(50000, 128, true), 49920);
  EXPECT_EQ(scored_images(50000, 128, false), 50000);
  EXPECT_EQ(scored_images(100, 128, true), 100) << "there is no whole batch";
  const Dataset dataset(data_, Split::test);
  const Communicator serial;
  EvalRequest request{dataset, data_, 8, Precision::fp64, serial, c10::Device(c10::kCPU)};
  request.drop_last = true;
  const auto found = evaluate(std::vector{toy_chain()}, request);
  const Accuracy expected = toy_accuracy(32);
  EXPECT_EQ(found->front().count, 32);
  EXPECT_NEAR(found->front().acc1, expected.acc1, 1e-9);
  EXPECT_NEAR(found->front().loss, expected.loss, 1e-9);
}

TEST(Prefix, IsComputedOncePerBatchForAllChains) {
  const Chain a = toy_chain();
  const Chain b = splice(a, 2, std::make_shared<ToyStage>(true));
  const Chain c = splice(a, 1, std::make_shared<ToyStage>());
  const at::Tensor images = at::rand({2, 1, 4, 4});
  PrefixCache prefix(images);
  const at::Tensor two = prefix.output(a, 2);
  EXPECT_TRUE(two.is_same(prefix.output(b, 2)));
  EXPECT_TRUE(prefix.output(a, 0).is_same(images));
  prefix.output(c, 1);
  prefix.output(c, 2);
  EXPECT_EQ(forwards(a, 0), 1);
  EXPECT_EQ(forwards(a, 1), 1);
  EXPECT_EQ(forwards(c, 1), 1);
}

TEST(CommonStages, AreTheSameObjectsAtTheFront) {
  const Chain a = toy_chain();
  EXPECT_EQ(common_stages(a, a), 3);
  EXPECT_EQ(common_stages(a, toy_chain()), 0);
  EXPECT_EQ(common_stages(a, splice(a, 1, std::make_shared<ToyStage>())), 1);
}

}  // namespace
}  // namespace m2mkd
