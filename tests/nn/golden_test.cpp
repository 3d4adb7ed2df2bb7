// Numbers of the published Python's own classes on networks filled by the rule of fill_rule.hpp
// (fp32, CPU). tests/train/golden_test.cpp goes on with losses, gradients and an optimizer step.

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "nn/small_models.hpp"

namespace m2mkd {
namespace {

using namespace test;

at::Tensor numbers(const std::vector<double>& values) {
  return at::tensor(values, at::kDouble);
}

const std::vector<double> kMetaLogits{0.798858, 1.274542,  -0.206072, -0.163832, 0.773780,
                                      0.461501, -1.038610, 0.655084,  0.218500,  0.579581};
const std::vector<double> kTeacherLogits[2]{{0.651637, 1.262530, -1.091757, -0.044344, -0.477098,
                                             -0.235839, -0.378959, 1.612673, 1.154199, -1.388204},
                                            {0.620013, 0.850338, 0.596591, -1.301227, -0.717329,
                                             0.306664, 0.077713, 1.066275, 0.767588, 0.561366}};
const std::vector<double> kStudentLogits[2]{{-0.631442, 0.836592, 1.352427, -1.098907, 0.940585,
                                             -0.062352, 1.089858, -0.015039, 0.448450, 0.411249},
                                            {-0.369191, -0.278248, 0.637910, -0.592206, 0.544713,
                                             0.699900, -0.797866, -1.570381, -0.341998, 0.997863}};

class Golden : public testing::TestWithParam<int> {
 protected:
  Chain meta = filled_chain(meta_options(), "meta", at::kFloat);
  Chain teacher = filled_chain(teacher_options(), "teacher", at::kFloat);
  at::Tensor images = filled_images(4, at::kFloat);
  ForwardContext context;
};

TEST(FillRule, GivesTheKnownNumbers) {
  const auto first = filled("input", {4});
  EXPECT_LT(difference(first, numbers({-0.80436331, 0.30472086, -0.59275145, -0.45111067})), 1e-8);
}

TEST_F(Golden, MetaLogits) {
  EXPECT_LT(difference(meta.forward(images, context)[0], numbers(kMetaLogits)), 1e-5);
}

TEST_P(Golden, TeacherHybridLogits) {
  const int pair = GetParam();
  const auto hybrid = splice(meta, pair, teacher.stages[static_cast<std::size_t>(pair)]);
  EXPECT_LT(difference(hybrid.forward(images, context)[0], numbers(kTeacherLogits[pair])), 1e-5);
}

TEST_P(Golden, StudentHybridLogits) {
  const int pair = GetParam();
  const auto student = filled_student(pair, fmt::format("student{}", pair), at::kFloat);
  const auto hybrid = splice(meta, pair, student);
  EXPECT_LT(difference(hybrid.forward(images, context)[0], numbers(kStudentLogits[pair])), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Pairs, Golden, testing::Values(0, 1));

}  // namespace
}  // namespace m2mkd
