// Faults planted in files and networks, and the gate that finds each.

#include <m2mkd/nn/initialise.hpp>

#include "plan/check_run.hpp"

namespace m2mkd {
namespace {

using namespace test;
using testing::HasSubstr;

constexpr double plenty = 1e9;
const std::string qkv = "blocks.0.attn.qkv.weight", proj = "blocks.0.attn.proj.weight";

class Check : public CheckedRun {
 protected:
  Findings files(const RunFolder& run, const RunOptions& options = {}) {
    usable.clear();
    return check_files(*list, run, options, usable);
  }
  Findings recorded(const RunFolder& run) {
    return check_recorded(*list, run, usable, plenty, plenty);
  }
  Digests usable;
};

TEST_F(Check, FindsNoFaultInASoundRun) {
  const RunFolder run = copy(true);
  const auto found = files(run);
  EXPECT_EQ(found.size(), list->jobs.size());
  EXPECT_TRUE(all_ok(found)) << lines(found);
  EXPECT_EQ(usable.size(), list->jobs.size());
  for (const auto& more :
       {check_splices(*list, run, usable, plenty), check_assemblies(*list, run, usable, plenty),
        check_teachers(*list, run, usable, plenty), recorded(run)}) {
    EXPECT_FALSE(more.empty());
    EXPECT_TRUE(all_ok(more)) << lines(more);
  }
}

TEST_F(Check, FindsNothingToLookAtInAnEmptyFolder) {
  const RunFolder run{folder / "none"};
  EXPECT_TRUE(files(run).empty());
  EXPECT_TRUE(recorded(run).empty());
  EXPECT_TRUE(check_teachers(*list, run, usable, plenty).empty());
  for (const auto& found :
       {check_splices(*list, run, usable, plenty), check_assemblies(*list, run, usable, plenty)}) {
    EXPECT_FALSE(found.empty());
    EXPECT_TRUE(all_ok(found)) << lines(found);
  }
  EXPECT_FALSE(std::filesystem::exists(run.dir));
}

// The digest in the metrics tells at once; without it the loss does.
TEST_F(Check, FindsTwoExchangedTensorsInAFinalFile) {
  for (const bool metrics : {true, false}) {
    const RunFolder run = copy(metrics);
    rewrite(run.module("final.m2mkd"), exchange("stages/1/" + proj, "stages/2/" + proj));
    const auto found = files(run);
    EXPECT_EQ(find(found, "final.m2mkd", Verdict::wrong) != nullptr, metrics) << lines(found);
    const auto again = recorded(run);
    EXPECT_TRUE(find(again, "final.m2mkd", Verdict::wrong)) << lines(again);
    EXPECT_EQ(std::ranges::count(again, Verdict::wrong, &Finding::verdict), 1) << lines(again);
  }
}

TEST_F(Check, FindsTwoExchangedTensorsInAParentByItsChildren) {
  const RunFolder run = copy();
  rewrite(run.module("pretrain"), exchange("stages/1/" + qkv, "stages/2/" + qkv));
  const auto found = files(run);
  for (const auto* child : {"incubate.0", "distill.3"}) {
    const Finding* finding = find(found, child, Verdict::wrong);
    ASSERT_TRUE(finding) << lines(found);
    EXPECT_THAT(finding->text, HasSubstr("digest.pretrain"));
  }
}

TEST_F(Check, FindsAStageInAnothersPlace) {
  const RunFolder run = copy();
  std::filesystem::remove(run.module("incubate.1"));
  std::filesystem::copy(run.module("incubate.2"), run.module("incubate.1"));
  const Finding claim = *find(files(run), "incubate.1", Verdict::wrong);
  EXPECT_THAT(claim.text, HasSubstr("its job is incubate.2, not incubate.1"));
}

// Names, attributes and digests are stage 1's; the weights are not.
TEST_F(Check, FindsAStagesWeightsTwice) {
  const RunFolder run = copy();
  const auto other = read_tensor_file(run.module("incubate.2")).tensors;
  rewrite(run.module("incubate.1"), [&](TensorFile& file) {
    for (auto& [name, values] : file.tensors) {
      NamedTensors from = other;
      values = tensor(from, "stages/2/" + name.substr(9));
    }
  });
  rewrite(run.module("finetune"), [](TensorFile& file) {
    for_both_stages(file.tensors, 1, 2, [](at::Tensor& a, at::Tensor& b) { a = b; });
  });
  const auto found = files(run);
  for (const auto* subject : {"stages of finetune", "finetune"}) {
    const Finding* finding = find(found, subject, Verdict::wrong);
    ASSERT_TRUE(finding) << subject << "\n" << lines(found);
  }
  EXPECT_THAT(find(found, "stages of finetune", Verdict::wrong)->text,
              HasSubstr("stages/1/blocks.0.attn.qkv.weight and stages/2/"));
}

// Stage 1 is no longer what was trained; nothing on file contradicts it, but stage 2 does its work
// better.
TEST_F(Check, SuspectsATeachersStageThatAnotherOutdoes) {
  const RunFolder run = copy();
  rewrite(run.module("finetune"), [](TensorFile& file) {
    for (auto& [name, values] : file.tensors)
      if (name.starts_with("stages/1/") && values.dim() == 2)
        values += (at::arange(values.numel()) * 0.7).sin().view(values.sizes());
  });
  for (int i = 0; i < 4; ++i) std::filesystem::remove(run.module("distill." + std::to_string(i)));
  std::filesystem::remove(run.module("final.m2mkd"));
  EXPECT_TRUE(all_ok(files(run)));
  const auto found = check_teachers(*list, run, usable, plenty);
  const Finding* finding = find(found, "distill.1", Verdict::warning);
  ASSERT_TRUE(finding) << lines(found);
  EXPECT_THAT(finding->text, HasSubstr("its stage 2 in this place"));
  for (const auto* sound : {"distill.0", "distill.2", "distill.3"})
    EXPECT_TRUE(find(found, sound, Verdict::ok)) << lines(found);
  const auto again = recorded(run);
  EXPECT_TRUE(find(again, "finetune", Verdict::wrong)) << lines(again);
}

TEST_F(Check, FindsATeacherThatIsNotFinite) {
  const RunFolder run = copy();
  rewrite(run.module("finetune"), [](TensorFile& file) {
    tensor(file.tensors, "stages/2/" + proj)[0][0] = std::numeric_limits<float>::quiet_NaN();
  });
  const auto found = files(run);
  ASSERT_TRUE(find(found, "finetune", Verdict::wrong)) << lines(found);
  EXPECT_THAT(find(found, "finetune", Verdict::wrong)->text,
              HasSubstr("stages/2/" + proj + " has 1 of 256 values that are not finite"));
  EXPECT_FALSE(usable.contains("finetune"));
}

TEST_F(Check, FindsDamageAndOtherSettings) {
  const RunFolder run = copy();
  rewrite(run.module("distill.2"), [](TensorFile& file) {
    auto identity = text_attribute(file.attributes, "identity");
    file.attributes["identity"] =
        identity.replace(identity.find("train.tau = 1"), 13, "train.tau = 4");
  });
  rewrite_byte(run.module("distill.3"), 9000);
  auto found = files(run);
  ASSERT_TRUE(find(found, "distill.2", Verdict::wrong)) << lines(found);
  EXPECT_THAT(find(found, "distill.2", Verdict::wrong)->text, HasSubstr("train.tau: 4 -> 1"));
  EXPECT_TRUE(find(found, "distill.3", Verdict::wrong)) << lines(found);
  EXPECT_FALSE(usable.contains("distill.2") || usable.contains("distill.3"));
  RunOptions redo;
  redo.redo = true;
  found = files(run, redo);
  EXPECT_TRUE(find(found, "distill.2", Verdict::warning)) << lines(found);
}

TEST_F(Check, FindsATensorInTheWrongPlaceOfAnAssembledNetwork) {
  const RunFolder run = copy();
  const Job& job = list->find("final.m2mkd");
  const Chain assembled = Builder(run, {}, {}, at::kCPU).task(job, {}).chain;
  const at::Tensor images = at::rand({2, 1, 8, 8});
  EXPECT_EQ(check_assembled(job, assembled, run, images).verdict, Verdict::ok);
  NamedTensors tensors = state(assembled);
  at::Tensor a = tensor(tensors, "stages/1/" + proj), b = tensor(tensors, "stages/2/" + proj);
  const at::Tensor keep = a.clone();
  a.copy_(b);
  b.copy_(keep);
  const Finding found = check_assembled(job, assembled, run, images);
  EXPECT_EQ(found.verdict, Verdict::wrong);
  EXPECT_THAT(found.text, testing::AllOf(HasSubstr("stages/1/" + proj), HasSubstr("distill.1.h5")));
}

TEST_F(Check, FindsAStageThatIsNotTheNetworksOwn) {
  const Job& job = list->find("finetune");
  const auto network = [&] {
    const Chain chain = make_chain(job.model, job.image_shape(), 16, "teacher", at::kFloat);
    initialise(chain, 3);
    return chain;
  };
  const at::Tensor images = at::rand({2, 1, 8, 8});
  const auto own = [&](int i) { return network().stages[static_cast<std::size_t>(i)]; };
  EXPECT_EQ(check_splice("x", network(), own, images).verdict, Verdict::ok);
  const auto exchanged = [&](int i) { return own(i == 1 ? 2 : i); };
  const Finding found = check_splice("x", network(), exchanged, images);
  EXPECT_EQ(found.verdict, Verdict::wrong);
  EXPECT_THAT(found.text, HasSubstr("stage 1 spliced in"));
}

}  // namespace
}  // namespace m2mkd
