// Work per image of the full-size networks, against reference/vmoe §2.5 and §7.3 to the printed
// digits. GFLOP.
//
// The tables count the gradient of the images where the patch convolution is trained; nobody
// computes it, so `patches` is taken off, as V itself says.

#include "plan/full_size.hpp"

namespace m2mkd {
namespace {

using namespace test;

struct Sums {
  double published = 0;  ///< every block for every token
  double executed = 0;   ///< last blocks for the class token only
  double packed = 0;     ///< and the prefix once for all four
};
Sums training(const std::vector<const Job*>& jobs) {
  Sums sums;
  double deepest = 0;
  for (const Job* job : jobs) {
    const JobCost& cost = job->cost;
    sums.published += giga(cost.train.published);
    sums.executed += giga(cost.train.executed);
    sums.packed += giga(cost.train.executed - cost.prefix.executed);
    deepest = std::max(deepest, giga(cost.prefix.executed));
  }
  sums.packed += deepest;
  return sums;
}
void expect_sums(const std::vector<const Job*>& jobs, const Sums& table, double image_gradient) {
  const Sums sums = training(jobs);
  EXPECT_NEAR(sums.published, table.published - image_gradient, kPrinted);
  EXPECT_NEAR(sums.executed, table.executed - image_gradient, kPrinted);
  EXPECT_NEAR(sums.packed, table.packed - image_gradient, kPrinted);
}

/// A row of reference/vmoe §2.5's first table.
struct Row {
  double forward, backward, class_only_forward, class_only_both;
};
void expect_network(const Job& job, const Row& row, double image_gradient) {
  const Flops &forward = job.cost.chain.forward, train = job.cost.train;
  EXPECT_NEAR(giga(forward.published), row.forward, kPrinted) << job.name;
  EXPECT_NEAR(giga((train - forward).published), row.backward - image_gradient, kPrinted)
      << job.name;
  EXPECT_NEAR(giga(forward.executed), row.class_only_forward, kPrinted) << job.name;
  EXPECT_NEAR(giga(train.executed), row.class_only_both - image_gradient, kPrinted) << job.name;
}

TEST(FullSizeFlops, OfWholeNetworks) {
  const double base = patches(768, 16), large = patches(1024, 16), huge = patches(1280, 14);
  EXPECT_NEAR(base, 0.23, kPrinted);
  EXPECT_NEAR(large, 0.31, kPrinted);
  const JobList deit = full_size("deit_base");
  expect_network(deit.find("final.e2e"), {35.13, 70.26, 32.70, 98.09}, base);
  expect_network(deit.find("pretrain"), {11.86, 23.73, 9.43, 28.30}, base);
  const JobList& b = vmoe_base();
  expect_network(b.find("finetune"), {123.11, 246.22, 118.84, 356.52}, large);
  expect_network(b.find("pretrain"), {20.78, 41.55, 16.51, 49.52}, large);
  expect_network(b.find("pretrain.incubation"), {11.86, 23.73, 9.43, 28.30}, base);
  expect_network(b.find("final.e2e"), {57.47, 114.93, 53.18, 159.55}, base);
  const JobList& l = vmoe_large();
  expect_network(l.find("finetune"), {334.59, 669.18, 325.86, 977.59}, huge);
  expect_network(l.find("pretrain"), {42.16, 84.33, 33.44, 100.31}, huge);
  expect_network(l.find("final.incubation"), {162.81, 325.62, 155.25, 465.75}, large);
  const JobList ten = full_size("deit_huge", {{"meta.depths", "1 1 1 1 1 1 1 1 1 1"},
                                              {"student.depths", "4 3 3 3 3 3 3 3 3 4"}});
  expect_network(ten.find("pretrain"), {104.83, 209.65, 96.10, 288.30}, huge);
}

// What PyTorch's counter measured on the published code (reference/vmoe §2.5, correction).
TEST(FullSizeFlops, AgreeWithWhatWasMeasured) {
  const JobList& list = vmoe_base();
  const auto published = [&](const char* job) { return giga(list.find(job).cost.train.published); };
  const auto backward = [&](const char* job) {
    return published(job) - giga(list.find(job).cost.chain.forward.published);
  };
  EXPECT_NEAR(published("distill.0"), 121.86, kPrinted);
  EXPECT_NEAR(published("pretrain"), 62.02, kPrinted);
  EXPECT_NEAR(backward("finetune"), 245.91, kPrinted);
  // The counter also sees the weighted sum of each token's two experts, a product of (1 × 2) and
  // (2 × width) matrices: twice its forward in the backward, in twelve blocks.
  const double combination = 2 * 2 * 768 * 197 * 1e-9;
  EXPECT_NEAR(backward("final.e2e") + 12 * 2 * combination, 114.72, kPrinted);
  // The published incubation also computes the frozen suffix's weight gradients and never uses
  // them.
  EXPECT_NEAR(published("incubate.0"), 123.90, kPrinted);
  const double useless = 3 * dense(1024, 197).weights + head(1024);
  EXPECT_NEAR(published("incubate.0") + useless, 138.77, kPrinted);
}

TEST(FullSizeFlops, AreThoseOfTheFormulas) {
  const double n = 197;
  const Layer meta = dense(1024, n), expert = mixture(768, n);
  const double stitch = 2 * 1024 * 768 * n * 1e-9;
  const auto& cost = vmoe_base().find("distill.1").cost;
  const double prefix = patches(1024, 16) + meta.forward();
  const double student = 2 * stitch + 3 * expert.forward();
  const double suffix = 2 * meta.forward() + head(1024);
  EXPECT_NEAR(giga(cost.prefix.published), prefix, 1e-9);
  EXPECT_NEAR(giga(cost.chain.forward.published), prefix + student + suffix, 1e-9);
  EXPECT_NEAR(giga(cost.train.published),
              prefix + 6 * meta.forward() + suffix  // teacher
                  + student + suffix                // forward of the student's path
                  + 2 * student + 2 * meta.passing() + head(1024),
              1e-9);
  // For the class token alone the last block computes keys and values of all tokens, and the rest
  // of one: 4 and 20 of its 24 width² products.
  const double last = (4 * n + 20) * 1024 * 1024 * 1e-9 + 4 * n * 1024 * 1e-9;
  EXPECT_NEAR(giga(cost.chain.forward.published - cost.chain.forward.executed),
              meta.forward() - last, 1e-9);
  EXPECT_NEAR(last, 0.85, kPrinted);
  const Layer large = mixture(1024, n);
  EXPECT_NEAR(dense(768, n).forward(), 2.91, kPrinted);
  EXPECT_NEAR(meta.forward(), 5.12, kPrinted);
  EXPECT_NEAR(dense(1280, 257).forward(), 10.44, kPrinted);
  EXPECT_NEAR(expert.forward(), 4.77, kPrinted);
  EXPECT_NEAR(large.forward(), 8.42, kPrinted);
}

/// A row of V's table of pairs, without the columns that follow from the stages alone.
struct Pair {
  double prefix, total, teacher_hybrid, student_hybrid, student_hybrid_both;
};
void expect_pair(const JobCost& cost, const Pair& row, double image_gradient) {
  const double prefix = giga(cost.prefix.published), total = giga(cost.train.published),
               teacher = giga(cost.teachers.at(0).forward.published);
  EXPECT_NEAR(prefix, row.prefix, kPrinted);
  EXPECT_NEAR(total, row.total - image_gradient, kPrinted);
  EXPECT_NEAR(teacher, row.teacher_hybrid, kPrinted);
  EXPECT_NEAR(giga(cost.chain.forward.published), row.student_hybrid, kPrinted);
  // The prefix is computed once for both hybrids.
  EXPECT_NEAR(total - (teacher - prefix), row.student_hybrid_both - image_gradient, kPrinted);
}

TEST(FullSizeFlops, OfThePairsOfVmoeBase) {
  const auto jobs = stages_of(vmoe_base(), "distill");
  const Pair rows[] = {{0, 122.09, 46.36, 30.20, 75.73},
                       {5.42, 111.93, 46.36, 30.59, 71.00},
                       {10.54, 101.54, 46.36, 30.59, 65.72},
                       {15.66, 90.22, 46.36, 30.28, 59.52}};
  for (std::size_t i = 0; i < 4; ++i) {
    SCOPED_TRACE(i);
    expect_pair(jobs[i]->cost, rows[i], i == 0 ? patches(768, 16) : 0);
  }
  expect_sums(jobs, {425.78, 369.77, 353.81}, patches(768, 16));
}

TEST(FullSizeFlops, OfTheStagesOfThosePairs) {
  struct Stages {
    double teacher, suffix, student, student_backward, suffix_passing;
  };
  const Stages rows[] = {{31.01, 15.35, 14.85, 29.70, 15.83},
                         {30.70, 10.24, 14.93, 29.86, 10.55},
                         {30.70, 5.12, 14.93, 29.86, 5.28},
                         {30.70, 0, 14.62, 29.24, 0}};
  const at::TensorOptions tensor(at::kMeta);
  for (const Job* job : stages_of(vmoe_base(), "distill")) {
    SCOPED_TRACE(job->name);
    const auto& row = rows[job->stage];
    const auto shape = job->image_shape();
    const auto& source = job->teachers.at(0);
    const auto cost = [](const StagePtr& stage) { return stage->cost(197); };
    const auto teacher = cost(make_stage(source.model, shape, job->stage, 1024, tensor));
    const auto student =
        cost(make_distill_form(job->model, shape, job->stage, job->around(), tensor));
    Flops suffix, passing;
    for (int i = job->stage + 1; i < 4; ++i) {
      const auto meta = cost(make_stage(job->meta, shape, i, 1024, tensor));
      suffix += meta.forward;
      passing += meta.pass_through;
    }
    EXPECT_NEAR(giga(teacher.forward.published), row.teacher, kPrinted);
    EXPECT_NEAR(giga(suffix.published), row.suffix, kPrinted);
    EXPECT_NEAR(giga(student.forward.published), row.student, kPrinted);
    EXPECT_NEAR(giga(student.backward.published),
                row.student_backward - (job->stage == 0 ? patches(768, 16) : 0), kPrinted);
    EXPECT_NEAR(giga(passing.published), row.suffix_passing, kPrinted);
  }
}

TEST(FullSizeFlops, OfThePairsOfVmoeLarge) {
  const auto jobs = stages_of(vmoe_large(), "distill");
  const double totals[] = {287.89, 321.90, 300.67, 277.43};
  const double students[] = {65.29, 86.44, 86.44, 85.77};
  for (std::size_t i = 0; i < 4; ++i) {
    SCOPED_TRACE(i);
    const auto& cost = jobs[i]->cost;
    EXPECT_NEAR(giga(cost.train.published), totals[i] - (i == 0 ? patches(1024, 16) : 0), kPrinted);
    EXPECT_NEAR(giga(cost.teachers.at(0).forward.published), 115.27, kPrinted);
    EXPECT_NEAR(giga(cost.chain.forward.published), students[i], kPrinted);
  }
  expect_sums(jobs, {1187.89, 1074.16, 1042.06}, patches(1024, 16));
}

TEST(FullSizeFlops, OfIncubation) {
  const auto each = [](const std::vector<const Job*>& jobs, const std::vector<double>& table,
                       const std::vector<double>& with_useless, const Layer& layer, double width,
                       double image_gradient) {
    for (std::size_t i = 0; i < 4; ++i) {
      SCOPED_TRACE(jobs[i]->name);
      const double flops = giga(jobs[i]->cost.train.published) + (i == 0 ? image_gradient : 0);
      EXPECT_NEAR(flops, table[i], kPrinted);
      const double layers = static_cast<double>(3 - i);
      const double useless = layers * layer.weights + (i < 3 ? head(width) : 0);
      EXPECT_NEAR(flops + useless, with_useless[i], kPrinted);
    }
  };
  const auto large = stages_of(vmoe_base(), "incubate");
  each(large, {124.20, 118.31, 113.04, 107.76}, {139.08, 128.23, 118.00, 107.76}, dense(1024, 197),
       1024, patches(1024, 16));
  expect_sums(large, {463.32, 424.43, 408.46}, patches(1024, 16));
  const auto moe = stages_of(vmoe_base(), "incubate.incubation");
  each(moe, {61.43, 57.94, 54.91, 51.88}, {69.79, 63.52, 57.70, 51.88}, dense(768, 197), 768,
       patches(768, 16));
  expect_sums(moe, {226.16, 198.37, 189.18}, patches(768, 16));
  EXPECT_NEAR(training(stages_of(vmoe_large(), "incubate")).published, 1194.96 - patches(1280, 14),
              kPrinted);
}

TEST(FullSizeFlops, OfConventionalDistillation) {
  const Flops train = vmoe_base().find("final.kd").cost.train;
  EXPECT_NEAR(giga(train.published), 295.51 - patches(768, 16), kPrinted);
  EXPECT_NEAR(giga(train.executed), 278.39 - patches(768, 16), kPrinted);
}

}  // namespace
}  // namespace m2mkd
