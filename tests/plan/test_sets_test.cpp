// What is tested, on what, and against which given networks.

#include <m2mkd/base/error.hpp>
#include <m2mkd/nn/weights.hpp>
#include <m2mkd/report/summary.hpp>
#include <m2mkd/run/given.hpp>
#include <m2mkd/run/retest.hpp>

#include "plan/check_run.hpp"

namespace m2mkd {
namespace {

using namespace test;
using testing::HasSubstr;
using testing::IsEmpty;

Job tested_job() {
  Job job;
  job.name = "final.e2e";
  job.train.eval_batch = 16;
  job.evaluations = {{.name = "test", .digest = "today", .images = 40, .start = true}};
  return job;
}

// As an earlier version recorded it.
Attributes attributes(std::int64_t scored, std::int64_t dropped, const std::string& digest) {
  return {{"acc1", 50.0},
          {"test_images", scored},
          {"test.dropped", dropped},
          {"test.digest", digest},
          {"test.name", std::string("small")}};
}

TableFile record(std::int64_t scored, std::int64_t dropped, const std::string& digest) {
  Results results;
  results.put(Scored{"test", "small", digest, scored + dropped, "same"});
  results.put(Result{"final.e2e", "test", "acc1", 50, 8, scored});
  return {{}, results.tables()};
}

TEST(OtherTestSet, IsSeenInTheRecord) {
  Job job = tested_job();
  EXPECT_THAT(test_difference(job, record(40, 0, "today")), IsEmpty());
  EXPECT_EQ(test_difference(job, record(30, 0, "then")),
            "on small (digest then), 30 of 30 images scored");
  EXPECT_THAT(test_difference(job, record(32, 8, "today")), HasSubstr("32 of 40 images scored"));
  job.train.eval_drop_last = true;
  EXPECT_THAT(test_difference(job, record(32, 8, "today")), IsEmpty());
  job.train.eval_drop_last = false;
  auto meter = record(40, 0, "today");
  Results results = read_results(meter);
  results.put(Result{"final.e2e", "test", "acc1_published", 12, NAN, 40});
  meter.groups = results.tables();
  EXPECT_THAT(test_difference(job, meter), HasSubstr("published meter"));
  job.train.published_meter = true;
  EXPECT_THAT(test_difference(job, meter), IsEmpty());
  EXPECT_EQ(test_difference(job, TableFile{}), "not yet");
}

TEST(OtherTestSet, IsSeenInTheAttributesOfAnEarlierVersion) {
  Job job = tested_job();
  const auto difference = [&](const Attributes& a) { return test_difference(job, {a, {}}); };
  EXPECT_THAT(difference(attributes(40, 0, "today")), IsEmpty());
  EXPECT_EQ(difference(attributes(30, 0, "then")),
            "on small (digest then), 30 of 30 images scored");
  EXPECT_THAT(difference({{"acc1", 50.0}, {"test_images", std::int64_t{40}}}),
              HasSubstr("earlier version"));
  job.start = PartsStart{{{"distill.0", {}}}, {}};  // its start is scored, too
  auto start = attributes(40, 0, "today");
  EXPECT_THAT(difference(start), HasSubstr("its start on another set"));
  start["start_acc1"] = 20.0;
  EXPECT_THAT(difference(start), IsEmpty());
  start["test.start_digest"] = std::string("then");
  EXPECT_THAT(difference(start), HasSubstr("its start on another set"));
}

// Who asks for other images, another label map or a start that was not scored gets them.
TEST(OtherTestSet, IsSeenByTheRowsOfEachEvaluation) {
  Job job = tested_job();
  Evaluation more{.name = "more", .digest = "m", .images = 10};
  TableFile file = record(40, 0, "today");
  EXPECT_EQ(test_difference(job, more, file), "not yet");
  Results results = read_results(file);
  results.put(Scored{"more", "extra", "m", 10, "same"});
  results.put(Result{"final.e2e", "more", "acc1", 50, 1, 10});
  file.groups = results.tables();
  EXPECT_THAT(test_difference(job, more, file), IsEmpty());
  more.classes = {3, 1};
  EXPECT_THAT(test_difference(job, more, file), HasSubstr("10 of 10 images scored"));
  more.classes.clear();
  more.start = true;
  EXPECT_THAT(test_difference(job, more, file), IsEmpty()) << "there is no start to score";
  job.start = PartsStart{{{"distill.0", {}}}, {}};
  EXPECT_THAT(test_difference(job, more, file), HasSubstr("its start"));
  more.end = false;
  EXPECT_EQ(test_difference(job, more, file), "not yet") << "of the start alone";
  EXPECT_THAT(test_difference(tested_job(), more, file), IsEmpty()) << "which this one has not";
  results.put(
      Result{"final.e2e", "more", "teacher_acc1", 40, 1, 10});  // of a pair, which has no own
  file.groups = results.tables();
  EXPECT_THAT(test_difference(job, more, file), IsEmpty());
  more.start = more.end = false;
  more.digest = "other";
  EXPECT_THAT(test_difference(job, more, file), IsEmpty()) << "during training alone";
}

class OtherTestSetOfARun : public CheckedRun {};

TEST_F(OtherTestSetOfARun, LeavesNoModuleInTheTable) {
  const RunFolder run{folder / "run"};
  const auto config = small_config(changes());
  const auto table = summarise(*list, run, config);
  EXPECT_EQ(text_attribute(table.attributes, "test.digest"),
            ImageFile(folder / "test.h5").info().digest);
  EXPECT_THAT(text_attribute(table.attributes, "left_out"), IsEmpty());
  EXPECT_EQ(method_rows(table).size(), 1U);
  EXPECT_THAT(comparison_table(table), HasSubstr("test set      small, 40 images, digest "));

  JobList other = *list;
  for (auto& job : other.jobs) job.evaluations.front().digest = "another";
  const auto mixed = summarise(other, run, config);
  EXPECT_TRUE(method_rows(mixed).empty());
  EXPECT_THAT(comparison_table(mixed),
              HasSubstr("warning: left out: final.m2mkd was tested on small (digest "));
}

TEST_F(OtherTestSetOfARun, OrPhaseIsRefused) {
  write_small_images(folder / "other.h5", "other", 40);
  auto all = changes();
  all.emplace_back("data.distill.test", (folder / "other.h5").string());
  EXPECT_THAT(problems_of([&] { small_jobs(all); }),
              HasSubstr("distill is tested on " + (folder / "other.h5").string()));
}

TEST_F(OtherTestSetOfARun, StepsThatWereLeftOutStandUnderTheTable) {
  const auto run = copy();
  for (const auto* name : {"distill.1", "distill.2"}) {
    auto file = read_tensor_file(run.module(name));
    file.attributes["skipped_steps"] = std::int64_t{2};
    file.attributes["restores"] = std::int64_t{1};
    write_tensor_file(run.module(name), file);
  }
  const auto table = summarise(*list, run, small_config(changes()));
  EXPECT_EQ(integer_attribute(table.find("methods/m2mkd")->attributes, "skipped_steps"), 4);
  EXPECT_THAT(
      comparison_table(table),
      HasSubstr("warning: m2mkd: 4 steps of its jobs were left out as not finite, 2 times"));
}

class Given : public CheckedRun {
 protected:
  // The trained teacher as a given one, with `change`d attributes.
  std::filesystem::path teacher(const Attributes& change) const {
    auto file = read_tensor_file(RunFolder{folder / "run"}.module("finetune"));
    for (const auto& [name, value] : change) file.attributes[name] = value;
    const auto path = folder / "teacher.h5";
    write_tensor_file(path, file);
    return path;
  }
  JobList jobs(const std::filesystem::path& given) const {
    auto all = changes();
    all.emplace_back("init.teacher", given.string());
    return small_jobs(all);
  }
};

TEST_F(Given, NetworksAreThoseThatSettingsName) {
  EXPECT_TRUE(given_networks(*list).empty());
  const auto path = teacher({});
  const JobList all = jobs(path);
  const auto found = given_networks(all);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].role, "teacher");
  EXPECT_EQ(found[0].source.file, path);
  EXPECT_NO_THROW(require_fitting(found[0]));
}

TEST_F(Given, NetworksOfOtherClassesAreRefused) {
  const auto path = teacher({{"data.class_names", std::string("a\nc\nb\nd")}});
  const JobList all = jobs(path);
  EXPECT_THAT(problems_of([&] { require_fitting(given_networks(all).front()); }),
              HasSubstr("class 1 is 'c' there and 'b' here"));
}

TEST_F(Given, NetworksOfOtherSettingsThatWeightsDoNotShowAreRefused) {
  const auto config = small_config(changes());
  const auto path = teacher({{"config", config.text()}});
  JobList all = jobs(path);
  EXPECT_NO_THROW(require_fitting(given_networks(all).front()));
  for (const auto& [key, value] : Changes{{"teacher.heads", "4"}, {"teacher.norm_eps", "1e-05"}}) {
    auto settings = changes();
    settings.emplace_back("init.teacher", path.string());
    settings.emplace_back(key, value);
    const JobList other = small_jobs(settings);
    EXPECT_THAT(problems_of([&] { require_fitting(given_networks(other).front()); }),
                HasSubstr(key + " is " + value + ": set it to "))
        << key;
  }
}

TEST_F(Given, NetworksAreEvaluatedByCheck) {
  const auto path = teacher({});
  const auto all = jobs(path);
  const RunFolder run{folder / "none"};
  const Digests usable{{path.string(), weights_digest(path)}};
  const double acc1 = number_attribute(read_attributes(path), "acc1");
  EXPECT_THAT(lines(check_given(all, run, usable, 60, 1e12)),
              HasSubstr(fmt::format("ok as teacher: acc1 {:.2f} ±", acc1)));
  EXPECT_THAT(lines(check_given(all, run, usable, 0, 1e12)), HasSubstr("skipped"));
  auto slow = all;
  for (auto& job : slow.jobs) job.cost.eval_flops = 1e18;
  EXPECT_THAT(lines(check_given(slow, run, usable, 60, 1e12)), HasSubstr("on one rank: --seconds"));

  auto file = read_tensor_file(path);
  file.tensors.front().second.flatten()[0] = NAN;
  write_tensor_file(path, file);
  EXPECT_THAT(lines(check_given(all, run, {{path.string(), weights_digest(path)}}, 60, 1e12)),
              testing::AllOf(HasSubstr("WRONG"), HasSubstr("that are not finite")));
  for (auto& [name, tensor] : file.tensors) tensor = at::zeros_like(tensor);
  write_tensor_file(path, file);
  EXPECT_THAT(lines(check_given(all, run, {{path.string(), weights_digest(path)}}, 60, 1e12)),
              HasSubstr("warning as teacher: acc1 25.00 ±6.85 % of 40 test images, no better than "
                        "always the same answer (25.00 %)"));
}

}  // namespace
}  // namespace m2mkd
