// A whole recipe, each job trained for one step: what is built is what was published.

#include <m2mkd/base/log.hpp>
#include <m2mkd/nn/family.hpp>
#include <m2mkd/nn/weights.hpp>
#include <m2mkd/run/build.hpp>
#include <m2mkd/store/safetensors.hpp>
#include <m2mkd/store/torch_file.hpp>

#include "plan/small_config.hpp"
#include "support/small_training.hpp"

namespace m2mkd {
namespace {

using namespace test;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

NamedTensors copied(const Chain& chain) {
  NamedTensors copy;
  for (const auto& [name, tensor] : state(chain)) copy.emplace_back(name, tensor.clone());
  return copy;
}

std::vector<std::string> unequal(const NamedTensors& a, const NamedTensors& b) {
  if (a.size() != b.size()) return {"other numbers of tensors"};
  std::vector<std::string> found;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i].first != b[i].first || !at::equal(a[i].second, b[i].second))
      found.push_back(a[i].first);
  return found;
}

class Build : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    log::set_speaker(0, 1, false);
    folder = make_folder();
    write_small_data(folder);
    run.dir = folder / "run";
    list = new JobList(small_jobs({{"data.train", (folder / "train.h5").string()},
                                   {"data.test", (folder / "test.h5").string()},
                                   {"data.image_size", "8"},
                                   {"data.classes", "4"},
                                   {"data.count", "96"},
                                   {"data.test_count", "40"},
                                   {"meta.patch", "4"},
                                   {"teacher.patch", "4"},
                                   {"student.patch", "4"},
                                   {"train.max_steps", "1"}}));
    for (const auto& job : list->jobs) {
      Task task = builder().task(job, {});
      const Chain chain = task.chain;
      started[job.name] = copied(chain);
      train({std::move(task)}, job.data);
      trained[job.name] = copied(chain);
      digests[job.name] = text_attribute(read_attributes(run.module(job.name)), "digest");
    }
  }
  static void TearDownTestSuite() {
    std::filesystem::remove_all(folder);
    delete list;
    log::set_speaker(0, 1, true);
  }
  static Builder builder(Digests given = digests) { return {run, std::move(given), {}, at::kCPU}; }

  static inline std::filesystem::path folder;
  static inline RunFolder run;
  static inline JobList* list = nullptr;
  static inline Digests digests;
  static inline std::map<std::string, NamedTensors> started, trained;
};

TEST_F(Build, TheAssembledStudentEqualsItsFiles) {
  NamedTensors files;
  for (int i = 0; i < 3; ++i)
    for (auto& tensor : read_tensor_file(run.module("distill." + std::to_string(i))).tensors)
      if (tensor.first.find("_stitch.") == std::string::npos) files.push_back(std::move(tensor));
  std::ranges::sort(files, {}, &std::pair<std::string, at::Tensor>::first);
  auto student = started.at("final.m2mkd");
  std::ranges::sort(student, {}, &std::pair<std::string, at::Tensor>::first);
  EXPECT_THAT(unequal(student, files), IsEmpty());
}

TEST_F(Build, SaysWhatWasDiscarded) {
  const auto attributes = read_attributes(run.module("final.m2mkd"));
  EXPECT_THAT(text_attribute(attributes, "load.discarded"),
              AllOf(HasSubstr("stages/0/blocks.0.post_stitch.fc.weight"),
                    HasSubstr("stages/2/blocks.0.pre_stitch.")));
  EXPECT_EQ(text_attribute(attributes, "load.fresh"), "");
  EXPECT_THAT(text_attribute(attributes, "load.copied"),
              HasSubstr("stages/1/blocks.0.attn.qkv.weight\n"));
}

TEST_F(Build, PublishedNetworksAreThoseThatWereTrained) {
  for (const auto& job : list->jobs) {
    const Chain chain = builder().finished(job, run.module(job.name));
    EXPECT_THAT(unequal(state(chain), trained.at(job.name)), IsEmpty()) << job.name;
    EXPECT_FALSE(unequal(state(chain), started.at(job.name)).empty())
        << job.name << " never trained";
  }
}

TEST_F(Build, JobsOfAPackShareTheFrozenStages) {
  Builder one = builder();
  const Task a = one.task(list->find("distill.0"), {}), b = one.task(list->find("distill.2"), {});
  EXPECT_EQ(a.chain.stages[1], b.chain.stages[1]);
  EXPECT_EQ(a.chain.stages[1], a.teachers[0].stages[1]);
  EXPECT_NE(a.chain.stages[0], a.teachers[0].stages[0]);
  EXPECT_EQ(a.trained, std::vector{0});
}

TEST_F(Build, ATeachersStageComesFromTheFinetunedTeacher) {
  const Task task = builder().task(list->find("distill.1"), {});
  const NamedTensors stage = read_tensor_file(run.module("finetune"), [](const std::string& name) {
                               return name.starts_with("stages/1/");
                             }).tensors;
  EXPECT_THAT(unequal(state({"", {nullptr, task.teachers[0].stages[1]}, nullptr}), stage),
              IsEmpty());
}

// init.* takes any kind of file: whole under flat names, or some stages; numbers are converted.
TEST_F(Build, GivenWeightsOfEveryKindAreThoseOfTheModuleFile) {
  const Job& job = list->find("finetune");
  NamedTensors flat, doubles, part;
  for (const auto& [name, tensor] : read_tensor_file(run.module("finetune")).tensors) {
    const auto staged = parse_staged(name).value();
    flat.emplace_back(job.model.model->flat_name(staged, job.model.depths), tensor);
    doubles.emplace_back(flat.back().first, tensor.to(at::kDouble));
    if (staged.stage == 1) part.emplace_back(staged.text('.'), tensor);
  }
  write_torch_file(folder / "flat.pth", flat);
  write_safetensors(folder / "flat.safetensors", {{}, flat});
  write_torch_file(folder / "double.pt", doubles);
  for (const auto* name : {"flat.pth", "flat.safetensors", "double.pt"}) {
    const Chain chain = builder().finished(job, folder / name);
    EXPECT_THAT(unequal(state(chain), trained.at("finetune")), IsEmpty()) << name;
  }
  write_torch_file(folder / "part.pth", part);
  const Chain one = builder().finished(list->find("incubate.1"), folder / "part.pth");
  EXPECT_THAT(unequal(state({"", {nullptr, one.stages[1]}, nullptr}),
                      read_tensor_file(
                          run.module("finetune"),
                          [](const std::string& name) { return name.starts_with("stages/1/"); })
                          .tensors),
              IsEmpty());
  EXPECT_THROW(builder().finished(job, folder / "part.pth"), Error);
}

TEST_F(Build, WeightsForOtherDataAreRefusedWithTheCommandThatHelps) {
  const Job& job = list->find("finetune");
  NamedTensors tensors = read_tensor_file(run.module("finetune")).tensors;
  for (auto& [name, tensor] : tensors) {
    if (name.ends_with("head.bias")) tensor = at::zeros({7});
    if (name.ends_with("pos_embed")) tensor = at::zeros({1, 17, tensor.size(2)});
  }
  write_tensor_file(folder / "other.h5", {{}, tensors});
  try {
    builder().finished(job, folder / "other.h5");
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("m2mkd convert --image-size N"),
                                    HasSubstr("m2mkd convert --classes N")));
  }
}

TEST_F(Build, RefusesAFileOfAnotherDigest) {
  auto wrong = digests;
  wrong["pretrain"] = "0123456789abcdef";
  try {
    builder(wrong).task(list->find("distill.1"), {});
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("pretrain.h5"), HasSubstr("0123456789abcdef"),
                                    HasSubstr(digests.at("pretrain"))));
  }
}

TEST_F(Build, IdentityHoldsTheDigestsOfAllSources) {
  const auto& job = list->find("distill.1");
  const auto text = full_identity(job, digests);
  for (const auto* parent : {"pretrain", "finetune"})
    EXPECT_THAT(text,
                HasSubstr(std::string("digest.") + parent + " = " + digests.at(parent) + "\n"));
  EXPECT_EQ(text_attribute(read_attributes(run.module("distill.1")), "identity"), text);
  auto other = digests;
  other["finetune"] = "0123456789abcdef";
  EXPECT_NE(full_identity(job, other), text);
}

}  // namespace
}  // namespace m2mkd
