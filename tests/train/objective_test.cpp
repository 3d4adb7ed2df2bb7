#include <cmath>
#include <limits>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <m2mkd/base/random.hpp>
#include <m2mkd/train/objective.hpp>

namespace m2mkd {
namespace {

constexpr std::int64_t kImages = 5, kClasses = 10;

at::Tensor random_logits(std::uint64_t key) {
  const auto z = at::empty({kImages, kClasses}, at::kDouble);
  Random random(1, Purpose::test, key);
  for (std::int64_t k = 0; k < z.numel(); ++k) z.data_ptr<double>()[k] = 2 * random.normal();
  return z;
}
at::Tensor labels() {
  return at::tensor({1, 7, 3, 9, 0}, at::kLong);
}
at::Tensor one_hot() {
  return at::one_hot(labels(), kClasses).to(at::kDouble);
}

// Plain formulas, image by image.
std::vector<double> plain_softmax(const at::Tensor& row, double tau) {
  std::vector<double> p;
  double sum = 0;
  for (std::int64_t c = 0; c < kClasses; ++c) p.push_back(std::exp(row[c].item<double>() / tau));
  for (const double x : p) sum += x;
  for (double& x : p) x /= sum;
  return p;
}
double plain_ce(const at::Tensor& z, const at::Tensor& targets) {
  double ce = 0;
  for (std::int64_t b = 0; b < kImages; ++b)
    for (std::size_t c = 0; c < kClasses; ++c)
      ce -= targets[b][static_cast<std::int64_t>(c)].item<double>() *
            std::log(plain_softmax(z[b], 1)[c]);
  return ce;
}
double plain_kl(const at::Tensor& teacher, const at::Tensor& z, double tau) {
  double kl = 0;
  for (std::int64_t b = 0; b < kImages; ++b) {
    const auto p = plain_softmax(teacher[b], tau), q = plain_softmax(z[b], tau);
    for (std::size_t c = 0; c < kClasses; ++c) kl += p[c] * (std::log(p[c]) - std::log(q[c]));
  }
  return kl;
}

class Objective : public testing::Test {
 protected:
  double loss(const at::Tensor& targets = {}) {
    return objective(z_, labels(), targets, soften(std::vector{teacher_}, options_), options_)
        .loss.item<double>();
  }
  ObjectiveOptions options_;
  at::Tensor z_ = random_logits(1), teacher_ = random_logits(2);
};

TEST_F(Objective, IsEquationThree) {
  options_.alpha = 0.3;
  options_.tau = 2.5;
  EXPECT_NEAR(loss(), plain_ce(z_, one_hot()) + 0.3 * 2.5 * 2.5 * plain_kl(teacher_, z_, 2.5),
              1e-12);
}

TEST_F(Objective, AsPublishedSplitsTheWeightsAndDividesByClasses) {
  options_ = {0.3, 2.5, KdPer::element, CeWeight::complement};
  EXPECT_NEAR(
      loss(),
      0.7 * plain_ce(z_, one_hot()) + 0.3 * 2.5 * 2.5 * plain_kl(teacher_, z_, 2.5) / kClasses,
      1e-12);
}

// An image whose CE and KL are the published ones: the label's probability gives the first, and the
// share of another class that is mixed into the teacher's answer the second.
TEST(PublishedObjective, GivesThePublishedLoss) {
  const double q = std::exp(-2.6084638);
  auto p_student = at::full({1, kClasses}, (1 - q) / (kClasses - 1), at::kDouble);
  p_student[0][1] = q;
  const auto other = at::one_hot(at::tensor({4}, at::kLong), kClasses).to(at::kDouble);
  const auto mixed = [&](double t) { return (1 - t) * p_student + t * other; };
  const auto kl = [&](double t) {
    return (mixed(t) * (mixed(t) / p_student).log()).sum().item<double>();
  };
  double low = 0, high = 1;
  for (int i = 0; i < 60; ++i) (kl((low + high) / 2) < 0.3345651 ? low : high) = (low + high) / 2;
  const auto found = objective(p_student.log(), at::tensor({1}, at::kLong), {}, mixed(low),
                               {0.5, 1, KdPer::element, CeWeight::complement});
  EXPECT_NEAR(found.ce.item<double>(), 2.6084638, 1e-12);
  EXPECT_NEAR(found.kl.item<double>(), 0.3345651, 1e-12);
  EXPECT_NEAR(found.loss.item<double>(), 1.3209602, 1e-7);
}

TEST_F(Objective, TakesSoftTargetsInsteadOfLabels) {
  EXPECT_NEAR(loss(one_hot()), loss(), 1e-12);
  const auto mixed = 0.7 * one_hot() + 0.3 * one_hot().flip({0});
  options_.alpha = 0;
  EXPECT_NEAR(loss(mixed), plain_ce(z_, mixed), 1e-12);
}

TEST_F(Objective, WithoutTeacherOrWeightIsTheLabelsAlone) {
  for (const auto weight : {CeWeight::one, CeWeight::complement}) {
    options_.ce_weight = weight;
    const auto found = objective(z_, labels(), {}, {}, options_);
    EXPECT_NEAR(found.loss.item<double>(), plain_ce(z_, one_hot()), 1e-12);
    EXPECT_FALSE(found.kl.defined());
  }
  options_.alpha = 0;
  EXPECT_NEAR(loss(), plain_ce(z_, one_hot()), 1e-12);
}

TEST_F(Objective, HasNothingToDistilFromAnEqualTeacher) {
  for (const double tau : {1.0, 3.0}) {
    options_.tau = tau;
    const auto z = z_.clone().requires_grad_(true);
    const auto found = objective(z, labels(), {}, soften(std::vector{z_}, options_), options_);
    EXPECT_NEAR(found.kl.item<double>(), 0, 1e-14);
    found.loss.backward();
    const auto labels_alone = at::softmax(z_, 1) - one_hot();
    EXPECT_LE((z.grad() - labels_alone).abs().max().item<double>(), 2e-15);
  }
}

TEST_F(Objective, IdenticalTeachersCountAsOne) {
  const auto one = soften(std::vector{teacher_}, ObjectiveOptions{.tau = 2});
  const auto four = soften(std::vector(4, teacher_), ObjectiveOptions{.tau = 2});
  EXPECT_LE((four - one).abs().max().item<double>(), 1e-16);
}

TEST_F(Objective, AveragesTeachersProbabilities) {
  const auto both = soften(std::vector{teacher_, z_}, ObjectiveOptions{.tau = 2});
  EXPECT_NEAR(both[3][4].item<double>(),
              (plain_softmax(teacher_[3], 2)[4] + plain_softmax(z_[3], 2)[4]) / 2, 1e-15);
}

TEST_F(Objective, HasTheGradientOfFiniteDifferences) {
  for (const auto kd : {KdPer::sample, KdPer::element})
    for (const auto ce : {CeWeight::one, CeWeight::complement}) {
      options_ = {0.4, 1.7, kd, ce};
      const auto mixed = 0.7 * one_hot() + 0.3 * one_hot().flip({0});
      z_.requires_grad_(true).mutable_grad() = at::Tensor();
      objective(z_, labels(), mixed, soften(std::vector{teacher_}, ObjectiveOptions{.tau = 1.7}),
                options_)
          .loss.backward();
      const auto gradient = z_.grad().clone();
      z_ = z_.detach();
      for (const std::int64_t k : {0, 13, 27, 49}) {
        const double h = 1e-6;
        auto& value = z_.data_ptr<double>()[k];
        const double before = value;
        value = before + h;
        const double up = loss(mixed);
        value = before - h;
        const double down = loss(mixed);
        value = before;
        EXPECT_NEAR(gradient.data_ptr<double>()[k], (up - down) / (2 * h), 1e-8);
      }
    }
}

TEST_F(Objective, HardDistillationIsTheCrossEntropyOfTheTeachersClass) {
  options_.kd_type = KdType::hard;
  options_.alpha = 0.3;
  const auto classes = teacher_.argmax(1);
  for (const double tau : {1.0, 4.0})
    for (const auto kd : {KdPer::sample, KdPer::element}) {  // both belong to the soft form
      options_.tau = tau;
      options_.kd_per = kd;
      EXPECT_NEAR(loss(),
                  plain_ce(z_, one_hot()) +
                      0.3 * plain_ce(z_, at::one_hot(classes, kClasses).to(at::kDouble)),
                  1e-12);
    }
  const auto both = soften(std::vector{teacher_, z_}, options_);
  EXPECT_NEAR(both.sum().item<double>(), static_cast<double>(z_.size(0)), 1e-12);
}

TEST_F(Objective, FeatureLossIsTheMeanSquaredDifferencePerSample) {
  const auto a = at::arange(24, at::kDouble).view({2, 3, 4}).requires_grad_(true);
  const auto b = at::full({2, 3, 4}, 1.0, at::kDouble);
  double expected = 0;
  for (int i = 0; i < 24; ++i) expected += (i - 1.0) * (i - 1.0) / 12;
  const auto loss = feature_loss(a, b);
  EXPECT_NEAR(loss.item<double>(), expected, 1e-10);
  loss.backward();
  EXPECT_NEAR(a.grad()[1][2][3].item<double>(), 2 * 22.0 / 12, 1e-12);
  EXPECT_EQ(feature_loss(b, b).item<double>(), 0);
}

TEST_F(Objective, SurvivesProbabilitiesOfZero) {
  for (const auto type : {at::kFloat, at::kDouble}) {
    auto teacher = at::full({1, kClasses}, -1e4, type);
    teacher[0][3] = 0;
    auto z = at::full({1, kClasses}, -1e4, type);
    z[0][5] = 0;
    z.requires_grad_(true);
    const auto found = objective(z, at::tensor({3}, at::kLong), {},
                                 soften(std::vector{teacher}, ObjectiveOptions{.tau = 1}), {});
    found.loss.backward();
    EXPECT_NEAR(found.kl.item<double>(), 1e4, 1e-2);
    EXPECT_TRUE(found.loss.isfinite().item<bool>());
    EXPECT_TRUE(z.grad().isfinite().all().item<bool>());
  }
}

TEST_F(Objective, IsComputedInSinglePrecisionAtLeast) {
  const auto found = objective(z_.to(at::kBFloat16), labels(), {}, {}, options_);
  EXPECT_EQ(found.loss.scalar_type(), at::kFloat);
}

}  // namespace
}  // namespace m2mkd
