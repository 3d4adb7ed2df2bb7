// Parameters of the full-size networks, to the last one (reference/vmoe §2.4), and which of them
// decay (reference/vmoe §4).

#include <m2mkd/train/optimizer.hpp>

#include "plan/full_size.hpp"

namespace m2mkd {
namespace {

using namespace test;
using testing::ElementsAre;

std::int64_t parameters(const JobList& list, const std::string& job) {
  return list.find(job).cost.chain.parameters();
}
const std::vector<std::int64_t>& per_stage(const JobList& list, const std::string& job) {
  return list.find(job).cost.chain.stages;
}
std::vector<std::int64_t> trained(const JobList& list, const std::string& phase) {
  std::vector<std::int64_t> counts;
  for (const Job* job : stages_of(list, phase)) counts.push_back(job->cost.trainable);
  return counts;
}
std::vector<std::int64_t> hybrids(const JobList& list, const std::string& phase) {
  std::vector<std::int64_t> counts;
  for (const Job* job : stages_of(list, phase)) counts.push_back(job->cost.chain.parameters());
  return counts;
}
std::vector<std::int64_t> teacher_hybrids(const JobList& list) {
  std::vector<std::int64_t> counts;
  for (const Job* job : stages_of(list, "distill"))
    counts.push_back(job->cost.teachers.at(0).parameters());
  return counts;
}

TEST(FullSizeParameters, OfDenseNetworks) {
  const JobList base = full_size("deit_base"), large = full_size("deit_large"),
                huge = full_size("deit_huge");
  EXPECT_EQ(parameters(base, "final.e2e"), 86567656);
  EXPECT_THAT(per_stage(base, "final.incubation"),
              ElementsAre(22006272, 21263616, 21263616, 22034152));
  EXPECT_EQ(parameters(base, "pretrain"), 29864680);
  EXPECT_THAT(per_stage(base, "pretrain"), ElementsAre(7830528, 7087872, 7087872, 7858408));
  EXPECT_EQ(parameters(large, "final.e2e"), 304326632);
  EXPECT_THAT(per_stage(large, "final.incubation"),
              ElementsAre(76567552, 75577344, 75577344, 76604392));
  EXPECT_EQ(parameters(large, "pretrain"), 52402152);
  EXPECT_THAT(per_stage(large, "pretrain"), ElementsAre(13586432, 12596224, 12596224, 13623272));
  EXPECT_EQ(parameters(huge, "final.e2e"), 631922920);
  EXPECT_EQ(parameters(huge, "pretrain"), 81062120);
  constexpr std::int64_t layer = 19673600, width = 1280;
  constexpr std::int64_t input = (3 * 14 * 14 + 1) * width + width + 257 * width;
  constexpr std::int64_t output = 2 * width + (width + 1) * 1000;
  EXPECT_THAT(per_stage(huge, "final.e2e"),
              ElementsAre(input + 8 * layer, 8 * layer, 8 * layer, 8 * layer + output));
}

TEST(FullSizeParameters, OfDeitHugeInTenStages) {
  const JobList list = full_size("deit_huge", {{"meta.depths", "1 1 1 1 1 1 1 1 1 1"},
                                               {"student.depths", "4 3 3 3 3 3 3 3 3 4"}});
  EXPECT_EQ(parameters(list, "final.e2e"), 631922920);
  EXPECT_EQ(parameters(list, "pretrain"), 199103720);
}

TEST(FullSizeParameters, OfVmoeBaseAndItsTeacher) {
  const JobList& list = vmoe_base();
  for (const char* method : {"e2e", "kd", "incubation", "m2mkd"})
    EXPECT_EQ(parameters(list, std::string("final.") + method), 483325768) << method;
  EXPECT_THAT(per_stage(list, "final.m2mkd"),
              ElementsAre(121195800, 120453144, 120453144, 121223680));
  EXPECT_EQ(parameters(list, "final.m2mkd_stitched"), 488060488);
  EXPECT_EQ(488060488 - 483325768, 4734720);
  EXPECT_EQ(per_stage(list, "final.m2mkd").at(1), 3 * 40151048);
  EXPECT_EQ(parameters(list, "finetune"), 304326632);
  EXPECT_EQ(parameters(list, "pretrain"), 52402152);
  EXPECT_EQ(parameters(list, "pretrain.incubation"), 29864680);
  EXPECT_EQ(list.find("final.kd").cost.teachers.at(0).parameters(), 304326632);
}

TEST(FullSizeParameters, OfVmoeBasesStudentsAndHybrids) {
  const JobList& list = vmoe_base();
  EXPECT_THAT(trained(list, "distill"), ElementsAre(121984792, 122031384, 122031384, 122012928));
  const auto& stages = per_stage(list, "final.m2mkd");
  EXPECT_EQ(trained(list, "distill")[0] - stages[0], 788992) << "stitch at the end";
  EXPECT_EQ(trained(list, "distill")[1] - stages[1], 1578240) << "both";
  EXPECT_EQ(trained(list, "distill")[3] - stages[3], 789248) << "stitch at the beginning";
  EXPECT_THAT(hybrids(list, "distill"), ElementsAre(160800512, 161837312, 161837312, 160791808));
  EXPECT_THAT(teacher_hybrids(list), ElementsAre(115383272, 115383272, 115383272, 115383272));
  EXPECT_THAT(hybrids(list, "incubate"), ElementsAre(115383272, 115383272, 115383272, 115383272));
  EXPECT_THAT(trained(list, "incubate"), ElementsAre(76567552, 75577344, 75577344, 76604392));
  EXPECT_THAT(hybrids(list, "incubate.incubation"),
              ElementsAre(143229952, 143229952, 143229952, 143229952));
}

TEST(FullSizeParameters, OfVmoeLarge) {
  const JobList& list = vmoe_large();
  EXPECT_EQ(parameters(list, "final.incubation"), 1009498184);
  EXPECT_EQ(parameters(list, "final.m2mkd"), 1017383240);
  EXPECT_EQ(1017383240 - 1009498184, 7885056);
  constexpr std::int64_t dense_layer = 12596224, moe_layer = 71360520;
  EXPECT_EQ(per_stage(list, "final.incubation").at(1), 3 * (dense_layer + moe_layer));
  EXPECT_THAT(trained(list, "distill"), ElementsAre(254174488, 254498584, 254498584, 254211584));
  EXPECT_THAT(hybrids(list, "distill"), ElementsAre(314478848, 315887104, 315887104, 314316544));
  EXPECT_THAT(teacher_hybrids(list), ElementsAre(218777320, 218777320, 218777320, 218777320));
  EXPECT_EQ(parameters(list, "finetune"), 631922920);
  EXPECT_EQ(parameters(list, "pretrain"), 81062120);
  EXPECT_EQ(parameters(list, "pretrain.incubation"), 52402152);
}

TEST(FullSizeParameters, DecayAsPublished) {
  const Job& job = vmoe_base().find("final.e2e");
  const Chain chain =
      make_chain(job.model, job.image_shape(), 0, "student", at::TensorOptions(at::kMeta));
  std::int64_t tensors[2] = {}, elements[2] = {}, ours[2] = {};
  for (const auto& stage : chain.stages) {
    std::set<std::string> embeddings;
    for (const auto& parameter : stage->parameters())
      if (parameter.embedding) embeddings.insert(parameter.name);
    for (const auto& [name, tensor] : stage->state()) {  // experts one by one, as published
      const bool decay =
          decays({name, tensor, {}, false, embeddings.contains(name)}, TrainOptions{});
      ++tensors[decay];
      elements[decay] += tensor.numel();
    }
    for (const auto& parameter : stage->parameters())
      ours[decays(parameter, TrainOptions{})] += parameter.tensor.numel();
  }
  EXPECT_THAT(tensors, ElementsAre(282, 230));
  EXPECT_THAT(elements, ElementsAre(597832, 482727936));
  EXPECT_THAT(ours, ElementsAre(597832, 482727936));
}

}  // namespace
}  // namespace m2mkd
