// Scores as rows: in files and out of them, and from the attributes of earlier versions.

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <m2mkd/store/checkpoint.hpp>
#include <m2mkd/store/text_file.hpp>
#include <m2mkd/train/job_status.hpp>
#include <m2mkd/train/results.hpp>

#include "serial_training.hpp"

namespace m2mkd {
namespace {

Results two_sets() {
  Results results;
  results.put(Scored{"test", "small", "d1", 40, "same"});
  results.put(Scored{"more", "other", "d2", 10, "3 classes by name"});
  results.put(Result{"final.kd", "test", "acc1", 75, 6.8, 32});
  results.put(Result{"final.kd", "test", "loss", 0.5, NAN, 32});
  results.put(Result{"final.kd", "test", "start_acc1", 20, 6, 32});
  results.put(Result{"final.kd", "more", "acc1", 50, 15, 10});
  results.put(Result{"final.kd", "more", "best_acc1", 60, 15, 10});
  return results;
}

TEST(Results, ComeBackFromTheirTables) {
  const Results before = two_sets(), after = read_results({{}, before.tables()});
  ASSERT_EQ(after.rows.size(), before.rows.size());
  for (std::size_t i = 0; i < before.rows.size(); ++i) {
    const Result &a = before.rows[i], &b = after.rows[i];
    EXPECT_EQ(std::tie(a.job, a.evaluation, a.metric, a.value, a.count),
              std::tie(b.job, b.evaluation, b.metric, b.value, b.count));
    EXPECT_TRUE(a.standard_error == b.standard_error ||
                (std::isnan(a.standard_error) && std::isnan(b.standard_error)));
  }
  EXPECT_EQ(after.find("more")->digest, "d2");
  EXPECT_EQ(after.find("more")->classes, "3 classes by name");
  EXPECT_EQ(after.value("more", "acc1"), 50);
  EXPECT_TRUE(std::isnan(after.value("more", "loss")));
}

TEST(Results, HaveOneRowForAJobAnEvaluationAndAMetric) {
  Results results = two_sets();
  const auto rows = results.rows.size();
  results.put(Result{"final.kd", "test", "acc1", 80, 7, 40});
  EXPECT_EQ(results.rows.size(), rows);
  EXPECT_EQ(results.value("test", "acc1"), 80);
  results.put(Result{"final.e2e", "test", "acc1", 70, 7, 40});
  EXPECT_EQ(results.rows.size(), rows + 1);
}

TEST(Results, OfTheTestSetAreAttributesForEarlierReaders) {
  Attributes attributes{{"acc5", 99.0}, {"steps", std::int64_t{7}}};
  add_attributes(two_sets(), attributes);
  EXPECT_EQ(number_attribute(attributes, "acc1"), 75);
  EXPECT_EQ(number_attribute(attributes, "acc1_standard_error"), 6.8);
  EXPECT_EQ(integer_attribute(attributes, "test_images"), 32);
  EXPECT_EQ(integer_attribute(attributes, "test.dropped"), 8);
  EXPECT_EQ(text_attribute(attributes, "test.start_digest"), "d1");
  EXPECT_EQ(integer_attribute(attributes, "steps"), 7);
  EXPECT_FALSE(attributes.contains("acc5")) << "no row says so any more";
  EXPECT_FALSE(attributes.contains("best_acc1")) << "of another set";
}

TEST(Results, AreReadFromTheAttributesOfAnEarlierVersion) {
  const Attributes old{{"job", std::string("distill.1")},
                       {"acc1", 75.0},
                       {"loss", 0.5},
                       {"acc1_standard_error", 6.8},
                       {"teacher_acc1", 60.0},
                       {"best_acc1", 76.0},
                       {"test_images", std::int64_t{32}},
                       {"test.dropped", std::int64_t{8}},
                       {"test.digest", std::string("d1")}};
  const Results results = read_results({old, {}});
  EXPECT_EQ(results.find("test")->images, 40);
  EXPECT_EQ(results.find("test", "acc1")->standard_error, 6.8);
  EXPECT_EQ(results.find("test", "acc1")->job, "distill.1");
  EXPECT_EQ(results.value("test", "teacher_acc1"), 60);
  EXPECT_EQ(results.value("test", "best_acc1"), 76);
  auto moved = old;
  moved["test.start_digest"] = std::string("d0");
  EXPECT_TRUE(std::isnan(read_results({moved, {}}).value("test", "teacher_acc1")));
  EXPECT_TRUE(read_results({{{"steps", std::int64_t{7}}}, {}}).rows.empty());
}

class ResultsOfATraining : public test::SerialTraining {};

// A checkpoint of an earlier version keeps its results as attributes result.*: none is lost.
TEST_F(ResultsOfATraining, AreTakenOverFromACheckpointOfAnEarlierVersion) {
  using namespace test;
  const auto task = [&](const std::string& name) {
    return distill_task(Networks(), 1, small_options(2), run(name));
  };
  ASSERT_EQ(train_until(20, {task("a")}), Outcome::stopped);
  const CheckpointFolder checkpoints(run("a") / "checkpoints" / "distill.1");
  const auto step = checkpoints.steps().front();
  TensorFile state = checkpoints.load(step);
  Attributes old;
  add_attributes(read_results({{}, state.tables}), old);
  ASSERT_TRUE(old.contains("start_acc1"));
  state.tables.clear();
  for (const auto& [name, value] : old) state.attributes["result." + name] = value;
  state.attributes["test.digest"] = ImageFile(data().test).info().digest;
  checkpoints.save(step, state);
  train({task("a")}, data());
  train({task("b")}, data());
  const auto a = read_results(read_table_file(run("a") / "modules" / "distill.1.h5")),
             b = read_results(read_table_file(run("b") / "modules" / "distill.1.h5"));
  for (const auto* metric : {"start_acc1", "start_loss", "teacher_acc1", "acc1"})
    EXPECT_EQ(a.value("test", metric), b.value("test", metric)) << metric;
}

TEST_F(ResultsOfATraining, StandInItsStatusToo) {
  std::filesystem::create_directories(folder_);
  const auto path = folder_ / "status.json";
  write_job_status(path, {.job = "final.kd",
                          .phase = "final",
                          .state = "training",
                          .epoch = 0.5,
                          .step = 3,
                          .steps = 10,
                          .loss = NAN,
                          .acc1 = 12.5,
                          .ranks = 2,
                          .time = {}});
  const JobStatus read = read_job_status(path);
  EXPECT_EQ(read.state, "training");
  EXPECT_EQ(read.step, 3);
  EXPECT_EQ(read.acc1, 12.5);
  EXPECT_TRUE(std::isnan(read.loss)) << "none yet";
  EXPECT_TRUE(std::isnan(read.eta_seconds));
  write_text_file(path, "{");
  EXPECT_THROW(read_job_status(path), Error);
}

}  // namespace
}  // namespace m2mkd
