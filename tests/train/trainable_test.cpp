// What trains is a predicate over parameter names: the rest does not change by a bit and costs no
// gradient and no moments.

#include <m2mkd/nn/initialise.hpp>
#include <m2mkd/store/checkpoint.hpp>
#include <m2mkd/train/trainable.hpp>

#include "train/serial_training.hpp"

namespace m2mkd {
namespace {

using namespace test;
using testing::IsEmpty;
using testing::UnorderedElementsAreArray;
using Patterns = std::vector<std::string>;

TEST(Trainable, TheLastPatternThatFitsDecides) {
  const std::string gate = "stages/1/blocks.0.moe.gate.gate.weight", head = "stages/2/head.bias";
  EXPECT_TRUE(trains({"all"}, gate));
  EXPECT_TRUE(trains({"*.moe.*"}, gate));
  EXPECT_FALSE(trains({"*.moe.*"}, head));
  EXPECT_TRUE(trains({"head.*"}, head));
  EXPECT_FALSE(trains({"stages/0/*"}, gate));
  EXPECT_TRUE(trains({"stages/1/*"}, gate));
  EXPECT_FALSE(trains({"!*.moe.*"}, gate));
  EXPECT_TRUE(trains({"!*.moe.*"}, head)) << "only taken out: all others train";
  EXPECT_FALSE(trains({"all", "!head.*"}, head));
  EXPECT_TRUE(trains({"all", "!head.*", "head.bias"}, head));
}

class TrainableRun : public SerialTraining {
 protected:
  // A whole student from the same start each time.
  Task whole(const std::string& name, const Patterns& patterns, double epochs = 2) {
    auto model = small_model(family("vmoe"), 8);
    Chain chain = make_chain(model, kSmallShape, 8, "student", at::kDouble);
    initialise(chain, 5);
    auto options = small_options(epochs);
    options.trainable = patterns;
    options.keep_checkpoints = true;
    return small_task("final.e2e", chain, {0, 1, 2}, options, run(name));
  }
};

TEST_F(TrainableRun, LeavesTheRestAsItWas) {
  for (const Patterns& patterns :
       {Patterns{"head.*"}, Patterns{"*.moe.*"}, Patterns{"all", "!pos_embed", "!cls_token"},
        Patterns{"stages/1/*"}}) {
    const Task task = whole(patterns.back(), patterns);
    std::vector<at::Tensor> before;
    for (const auto& p : parameters(task.chain)) before.push_back(p.tensor.detach().clone());
    train({task}, data());
    std::set<std::string> moments;
    const auto list = parameters(task.chain);
    for (std::size_t i = 0; i < list.size(); ++i) {
      const bool trained = trains(patterns, list[i].name);
      EXPECT_EQ(!at::equal(list[i].tensor, before[i]), trained) << list[i].name;
      EXPECT_EQ(list[i].tensor.requires_grad(), trained) << list[i].name;
      if (trained) moments.insert("optimizer/" + list[i].name + "/exp_avg");
    }
    ASSERT_FALSE(moments.empty());
    const CheckpointFolder checkpoints(run(patterns.back()) / "checkpoints" / "final.e2e");
    std::vector<std::string> saved;
    bool elsewhere = false;
    for (const auto& [name, tensor] : checkpoints.load(checkpoints.steps().front()).tensors) {
      if (name.ends_with("/exp_avg")) saved.push_back(name);
      elsewhere = elsewhere || name.starts_with("stages/0/");
    }
    EXPECT_THAT(saved, UnorderedElementsAreArray(moments));
    EXPECT_EQ(elsewhere, patterns.front() == "all" || patterns.front() == "*.moe.*")
        << "stages that do not train are not saved anew";
    const auto module = read_tensor_file(run(patterns.back()) / "modules" / "final.e2e.h5");
    EXPECT_EQ(module.tensors.size(), state(task.chain).size()) << "the module file is whole";
    EXPECT_EQ(integer_attribute(module.attributes, "trainable_parameters"),
              trainable_count(task.chain, patterns));
  }
}

// A head on frozen features moves as it does when all else is free, as long as that has not moved.
TEST_F(TrainableRun, FirstStepIsThatOfTheWhole) {
  std::vector<at::Tensor> heads;
  for (const Patterns& patterns : {Patterns{"all"}, Patterns{"head.*"}}) {
    Task task = whole(patterns.front(), patterns);
    task.options.max_steps = 1;
    task.options.clip_grad = 0;
    train({task}, data());
    for (const auto& p : parameters(task.chain))
      if (p.name == "stages/2/head.weight") heads.push_back(p.tensor.detach().clone());
  }
  EXPECT_LT((heads.at(0) - heads.at(1)).abs().max().item<double>(), 1e-14);
}

TEST_F(TrainableRun, ContinuesFromCheckpointsOfWhatTrains) {
  const Patterns patterns{"head.*", "norm.*"};
  train({whole("straight", patterns)}, data());
  ASSERT_EQ(train_until(7, {whole("stopped", patterns)}), Outcome::stopped);
  train({whole("stopped", patterns)}, data());
  EXPECT_THAT(differences(run("straight"), run("stopped"), "final.e2e"), IsEmpty());
}

}  // namespace
}  // namespace m2mkd
