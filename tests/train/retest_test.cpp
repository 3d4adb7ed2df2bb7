// A finished network on another test set: the numbers of a training that had it from the start.

#include <numeric>

#include <m2mkd/nn/load.hpp>
#include <m2mkd/store/text_file.hpp>
#include <m2mkd/train/retest.hpp>

#include "serial_training.hpp"

namespace m2mkd {
namespace {

using namespace test;

class Retest : public SerialTraining {
 protected:
  Retest() {
    write_small_images(folder_ / "other.h5", "other", 30);
    other_.test = folder_ / "other.h5";
  }
  // The task as a builder would make it: with what its files record of the test set.
  Task task(const std::string& name, const DataOptions& data) const {
    Task made = distill_task(Networks(), 1, small_options(2), run(name));
    give_data(made, data);
    made.provenance["test.digest"] = ImageFile(data.test).info().digest;
    made.provenance["config"] = "of " + data.test.string();
    return made;
  }
  Attributes module(const std::string& name) const {
    return read_attributes(run(name) / "modules" / "distill.1.h5");
  }
  // The finished network in its surroundings.
  Chain published(const std::string& name) const {
    const Chain chain = task(name, data()).chain;
    Chain own{"student", std::vector<StagePtr>(3), {}};
    own.stages[1] = chain.stages[1];
    load(own, module_tensors(run(name), "distill.1"), name);
    return chain;
  }
  DataOptions other_ = data();
};

TEST_F(Retest, GivesWhatATrainingWithThatSetWouldHaveGiven) {
  train({task("first", data())}, data());
  train({task("direct", other_)}, other_);
  const auto before = module("first");
  ASSERT_TRUE(retest(task("first", other_), published("first"), {}));
  const auto after = module("first"), direct = module("direct");
  ASSERT_NE(number_attribute(before, "loss"), number_attribute(direct, "loss"));
  for (const auto* name : {"acc1", "acc5", "loss", "acc1_standard_error", "start_acc1",
                           "start_acc5", "start_loss", "teacher_acc1", "smallest_expert_share"})
    EXPECT_DOUBLE_EQ(number_attribute(after, name), number_attribute(direct, name)) << name;
  EXPECT_EQ(integer_attribute(after, "test_images"), 30);
  EXPECT_EQ(integer_attribute(after, "test.dropped"), 0);
  for (const auto* name : {"test.digest", "test.start_digest", "config", "digest"})
    EXPECT_EQ(text_attribute(after, name), text_attribute(direct, name)) << name;
  EXPECT_EQ(text_attribute(after, "digest"), text_attribute(before, "digest"));
  EXPECT_EQ(number_attribute(after, "seconds"), number_attribute(before, "seconds"));
  EXPECT_TRUE(before.contains("best_acc1"));
  EXPECT_FALSE(after.contains("best_acc1")) << "it was of the other set";
  EXPECT_TRUE(verify_tensor_file(run("first") / "modules" / "distill.1.h5").empty());

  const auto table = read_table_file(run("first") / "metrics" / "distill.1.h5"),
             wanted = read_table_file(run("direct") / "metrics" / "distill.1.h5");
  EXPECT_EQ(number_attribute(table.attributes, "acc1"), number_attribute(direct, "acc1"));
  EXPECT_EQ(table.find("experts")->columns, wanted.find("experts")->columns);
  std::map<std::string, std::vector<double>> loads;
  const auto& columns = table.find("experts")->columns;  // row, block, expert, tokens
  const auto& experts = std::get<std::vector<std::string>>(columns.at(1).second);
  const auto& tokens = std::get<std::vector<std::int64_t>>(columns.at(3).second);
  for (std::size_t i = 0; i < tokens.size(); ++i)
    loads[experts[i]].push_back(static_cast<double>(tokens[i]));
  double smallest = 100;
  for (const auto& [block, load] : loads)
    smallest = std::min(
        smallest, 100 * std::ranges::min(load) / std::accumulate(load.begin(), load.end(), 0.0));
  EXPECT_DOUBLE_EQ(number_attribute(after, "smallest_expert_share"), smallest);
  EXPECT_EQ(metrics(run("first"), "distill.1", "steps", "loss").size(), 12U);
  EXPECT_THAT(read_text_file(run("first") / "status" / "distill.1.json"),
              testing::HasSubstr(fmt::format("\"acc1\": {}", number_attribute(direct, "acc1"))));
}

TEST_F(Retest, WritesNothingWhenItIsStopped) {
  train({task("first", data())}, data());
  const auto file = run("first") / "modules" / "distill.1.h5";
  const auto bytes = read_text_file(file);
  TrainContext context;
  context.beat = [](const std::string& what) {
    if (what == "evaluating") stop::request();
  };
  EXPECT_FALSE(retest(task("first", other_), published("first"), context));
  EXPECT_EQ(read_text_file(file), bytes);
}

// A training that is continued with another test set does not record its start on the first one as
// one on the second; what is missing is tested again.
TEST_F(Retest, IsAskedForByAStartOfAnotherSet) {
  ASSERT_EQ(train_until(20, {task("first", data())}), Outcome::stopped);
  train({task("first", other_)}, other_);
  const auto found = module("first");
  EXPECT_EQ(text_attribute(found, "test.digest"), ImageFile(other_.test).info().digest);
  EXPECT_FALSE(found.contains("start_acc1"));
  EXPECT_FALSE(found.contains("test.start_digest"));
}

}  // namespace
}  // namespace m2mkd
