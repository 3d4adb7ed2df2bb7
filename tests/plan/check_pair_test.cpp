// Pairs that learn, pairs that cannot, and whether data, memory and disk suffice.

#include "plan/check_run.hpp"

namespace m2mkd {
namespace {

using namespace test;
using testing::AllOf;
using testing::HasSubstr;

/// Two stages of which the first is cut off from the loss.
class CutStage : public Stage {
 public:
  CutStage(StagePtr first, StagePtr second)
      : first_(std::move(first)), second_(std::move(second)) {}
  at::Tensor forward(const at::Tensor& x, const ForwardContext& context) const override {
    return second_->forward(first_->forward(x, context).detach(), context);
  }
  std::vector<Parameter> parameters() const override {
    std::vector<Parameter> all;
    for (auto p : first_->parameters()) all.push_back({"first." + p.name, p.tensor, p.initial});
    for (auto p : second_->parameters()) all.push_back({"second." + p.name, p.tensor, p.initial});
    return all;
  }
  StageCost cost(std::int64_t tokens) const override { return first_->cost(tokens); }
  std::int64_t tokens_out(std::int64_t tokens) const override { return tokens; }

 private:
  StagePtr first_, second_;
};

/// A stage whose own parameters do nothing: what it computes with is frozen.
class FrozenStage : public Stage {
 public:
  explicit FrozenStage(StagePtr stage) : stage_(std::move(stage)) {
    for (const auto& p : stage_->parameters())
      copies_.push_back({p.name, p.tensor.detach().clone(), p.initial});
  }
  at::Tensor forward(const at::Tensor& x, const ForwardContext& context) const override {
    return stage_->forward(x, context);
  }
  std::vector<Parameter> parameters() const override { return copies_; }
  StageCost cost(std::int64_t tokens) const override { return stage_->cost(tokens); }
  std::int64_t tokens_out(std::int64_t tokens) const override { return tokens; }

 private:
  StagePtr stage_;
  std::vector<Parameter> copies_;
};

class CheckPair : public CheckedRun {
 protected:
  static Task task(const Job& form, Weights weights) {
    Digests known;
    if (weights == Weights::known)
      for (const auto* name : {"pretrain", "finetune"})
        known[name] =
            text_attribute(read_attributes(RunFolder{folder / "run"}.module(name)), "digest");
    Task made = Builder({folder / "run"}, known, {}, at::kCPU, weights).task(form, {});
    if (known.empty()) liven_frozen(made);
    return made;
  }
  static Finding result(const Job& form, Task task) {
    TrainContext context;
    return check_pair(form, std::move(task), context, {});
  }
  static Job form(const std::string& name) { return check_form(list->find(name), 16); }
};

TEST_F(CheckPair, LearnsFromRandomStartsAndFromFiles) {
  for (const auto& job : list->jobs) {
    if (job.phase != Phase::distill && job.phase != Phase::incubate) continue;
    for (const Weights weights : {Weights::random, Weights::known}) {
      const Job checked = check_form(job, 16);
      const Finding found = result(checked, task(checked, weights));
      EXPECT_EQ(found.verdict, Verdict::ok) << job.name << " " << found.text;
    }
  }
}

TEST_F(CheckPair, KnownWeightsAreTheFilesAndOthersRandom) {
  const Task known = task(form("distill.1"), Weights::known);
  const auto file = read_tensor_file(RunFolder{folder / "run"}.module("pretrain")).tensors;
  NamedTensors meta = state({"", {known.chain.stages[0]}, nullptr});
  for (const auto& [name, values] : file)
    if (name.starts_with("stages/0/")) {
      EXPECT_TRUE(at::equal(values, tensor(meta, name))) << name;
    }
  const Task random =
      Builder({folder / "run"}, {}, {}, at::kCPU, Weights::known).task(form("distill.1"), {});
  EXPECT_FALSE(
      at::equal(state({"", {random.chain.stages[0]}, nullptr}).at(0).second, meta.at(0).second));
}

TEST_F(CheckPair, FindsAStageWhoseGradientIsCut) {
  const Job checked = form("distill.1");
  Task planted = task(checked, Weights::random);
  const Task other = task(checked, Weights::known);
  planted.chain.stages[1] =
      std::make_shared<CutStage>(planted.chain.stages[1], other.chain.stages[1]);
  const Finding found = result(checked, std::move(planted));
  EXPECT_EQ(found.verdict, Verdict::wrong) << found.text;
  EXPECT_THAT(found.text, AllOf(HasSubstr("get no gradient: "), HasSubstr("first.")));
  EXPECT_THAT(found.text, testing::Not(HasSubstr("second.")));
}

TEST_F(CheckPair, FindsAFrozenStudent) {
  for (const auto* name : {"distill.0", "distill.2", "distill.3"}) {
    const Job checked = form(name);
    Task planted = task(checked, Weights::random);
    auto& stage = planted.chain.stages[static_cast<std::size_t>(checked.stage)];
    stage = std::make_shared<FrozenStage>(stage);
    for (const auto& p : parameters({"", {stage}, nullptr})) p.tensor.requires_grad_(true);
    const Finding found = result(checked, std::move(planted));
    EXPECT_EQ(found.verdict, Verdict::wrong) << name << " " << found.text;
  }
}

TEST_F(CheckPair, FindsALossThatStandsStill) {
  Job checked = form("distill.2");
  checked.train.schedule.lr = 1e-9;
  Finding found = result(checked, task(checked, Weights::random));
  EXPECT_EQ(found.verdict, Verdict::wrong) << found.text;
  checked.train.schedule.lr = 1e-4;
  CheckOptions few;
  few.steps = 2;
  TrainContext context;
  found = check_pair(checked, task(checked, Weights::random), context, few);
  EXPECT_THAT(found.verdict, testing::AnyOf(Verdict::warning, Verdict::wrong)) << found.text;
  few.seconds = 0;
  few.steps = 40;
  found = check_pair(checked, task(checked, Weights::random), context, few);
  EXPECT_EQ(found.verdict, Verdict::skipped) << found.text;
}

// With a large weight of a teacher that knows nothing the loss can hardly fall: the floor is known.
TEST_F(CheckPair, KnowsHowFarALossCanFall) {
  Job checked = form("distill.1");
  checked.train.objective.alpha = 4;
  checked.train.objective.tau = 2;
  const Finding found = result(checked, task(checked, Weights::random));
  EXPECT_EQ(found.verdict, Verdict::ok) << found.text;
}

class CheckRoom : public CheckedRun {};

TEST_F(CheckRoom, ComparesMemoryWithTheMachineAndTheHost) {
  MachineOptions machine;
  EXPECT_TRUE(all_ok(check_memory(*list, 2, machine, 1e9)));
  EXPECT_TRUE(find(check_memory(*list, 2, machine, 1e3), "pretrain", Verdict::wrong));
  machine.memory_gb = 1e-6;
  EXPECT_TRUE(find(check_memory(*list, 2, machine, 1e9), "pretrain", Verdict::warning));
}

TEST_F(CheckRoom, ComparesFilesWithTheDisk) {
  EXPECT_EQ(check_disk(*list, {folder / "new" / "run"}).verdict, Verdict::ok);
  JobList large = *list;
  for (auto& job : large.jobs) job.cost.trainable = 1'000'000'000'000'000;
  EXPECT_EQ(check_disk(large, {folder / "new"}).verdict, Verdict::wrong);
  EXPECT_EQ(check_disk(large, {folder / "run"}).verdict, Verdict::ok);  // all files are there
}

TEST_F(CheckRoom, LooksAtTheImages) {
  EXPECT_EQ(check_data(*list).size(), 2U);
  EXPECT_TRUE(all_ok(check_data(*list)));
  const auto copy = folder / "data.h5";
  JobList other = *list;
  for (auto& job : other.jobs) job.data.train = copy;
  EXPECT_TRUE(find(check_data(other), copy.string(), Verdict::wrong));  // it is not there
  std::filesystem::copy_file(folder / "train.h5", copy);
  EXPECT_TRUE(all_ok(check_data(other)));
  for (auto& job : other.jobs) job.data.train_images = 3;  // of four classes
  EXPECT_TRUE(find(check_data(other), copy.string(), Verdict::warning));
  rewrite_byte(copy, ImageFile(copy).info().count * 20);
  EXPECT_TRUE(find(check_data(other), copy.string(), Verdict::wrong));
}

}  // namespace
}  // namespace m2mkd
