// Gradients of one rank: views that autograd fills in place.

#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <m2mkd/comm/gradients.hpp>

namespace m2mkd {
namespace {

at::Tensor leaf(at::IntArrayRef sizes, at::ScalarType dtype = at::kFloat) {
  return at::ones(sizes, dtype).set_requires_grad(true);
}

TEST(Gradients, AutogradAddsIntoTheBucketsInPlace) {
  const at::Tensor w = leaf({3, 5}), b = leaf({3}),
                   transposed = at::ones({4, 3}).t().set_requires_grad(true);
  Gradients gradients({w, b, transposed}, Communicator());
  const void* places[] = {w.grad().data_ptr(), b.grad().data_ptr(), transposed.grad().data_ptr()};
  EXPECT_EQ(transposed.grad().strides(), transposed.strides());
  gradients.zero();
  for (int i = 0; i < 3; ++i) {
    const at::Tensor y = at::linear(at::full({2, 5}, 2.0), w, b);
    (at::matmul(y, transposed).sum() + b.sum()).backward();
  }
  gradients.finish();
  EXPECT_EQ(w.grad().data_ptr(), places[0]);
  EXPECT_EQ(b.grad().data_ptr(), places[1]);
  EXPECT_EQ(transposed.grad().data_ptr(), places[2]);
  // d/dw = sum over the 2 rows of x (2 each) times the 4 columns of ones, three times
  EXPECT_TRUE(at::equal(w.grad(), at::full({3, 5}, 2.0 * 2 * 4 * 3)));
  EXPECT_TRUE(at::equal(b.grad(), at::full({3}, (2.0 * 4 + 1) * 3)));
  EXPECT_TRUE(at::equal(transposed.grad(), at::full({3, 4}, 2 * 11.0 * 3)));
}

TEST(Gradients, ZeroClearsAndScaleMultipliesEveryBucket) {
  const at::Tensor a = leaf({40}), b = leaf({7}, at::kDouble);
  Gradients gradients({a, b}, Communicator(), 64);
  (a.sum() + 3 * b.sum()).backward();
  gradients.scale(0.5);
  EXPECT_TRUE(at::equal(a.grad(), at::full({40}, 0.5)));
  EXPECT_TRUE(at::equal(b.grad(), at::full({7}, 1.5, at::kDouble)));
  gradients.zero();
  EXPECT_EQ(a.grad().abs().sum().item<float>(), 0);
  EXPECT_EQ(b.grad().abs().sum().item<double>(), 0);
}

TEST(Gradients, NormIsOneDoubleOverAllBuckets) {
  const at::Tensor a = leaf({100}), b = leaf({3, 3}, at::kDouble);
  Gradients gradients({a, b}, Communicator(), 128);
  (a.sum() * 1e-3 + 2 * b.sum()).backward();
  const at::Tensor norm = gradients.norm();
  EXPECT_EQ(norm.scalar_type(), at::kDouble);
  EXPECT_EQ(norm.dim(), 0);
  const double small = static_cast<float>(1e-3);
  EXPECT_NEAR(norm.item<double>(), std::sqrt(100 * small * small + 9 * 4), 1e-13);
}

TEST(Gradients, NormOfManyFloatsLosesNothing) {
  // A float accumulator would stop growing at 2^24 equal terms; doubles have 29 bits to spare.
  const std::int64_t count = (1 << 24) + 1001;
  const at::Tensor a = leaf({count});
  const Gradients gradients({a}, Communicator());
  a.grad().fill_(3);
  EXPECT_DOUBLE_EQ(gradients.norm().item<double>(), 3 * std::sqrt(static_cast<double>(count)));
}

TEST(Gradients, NormOfNothingIsZero) {
  EXPECT_EQ(Gradients({}, Communicator()).norm().item<double>(), 0);
}

TEST(Gradients, BytesCoverEveryParameter) {
  const at::Tensor a = leaf({16}), b = leaf({17});
  const Gradients gradients({a, b}, Communicator());
  EXPECT_EQ(gradients.bytes(), 64 + 128);  // each starts on a cache line
}

TEST(Gradients, EachParameterHasItsOwnMemory) {
  std::vector<at::Tensor> parameters;
  for (int i = 0; i < 9; ++i)
    parameters.push_back(leaf({5 + i}, i % 3 == 0 ? at::kDouble : at::kFloat));
  const Gradients gradients(parameters, Communicator(), 100);
  for (int i = 0; i < 9; ++i) parameters[i].grad().fill_(i);
  for (int i = 0; i < 9; ++i) {
    EXPECT_TRUE(at::equal(parameters[i].grad(), at::full({5 + i}, i, parameters[i].dtype())));
  }
}

TEST(Gradients, ReplacedGradientIsNoticed) {
  const at::Tensor a = leaf({4});
  Gradients gradients({a}, Communicator());
  a.mutable_grad() = at::ones({4});
  EXPECT_THROW(gradients.finish(), std::logic_error);
}

TEST(Gradients, ReleaseTheirParametersAtTheEnd) {
  const at::Tensor a = leaf({4});
  { const Gradients gradients({a}, Communicator()); }
  EXPECT_FALSE(a.grad().defined());
  const Gradients again({a}, Communicator());
  EXPECT_TRUE(a.grad().defined());
}

TEST(Gradients, RefuseWhatCannotHaveAGradient) {
  EXPECT_THROW(Gradients({at::ones({3})}, Communicator()), std::logic_error);
  EXPECT_THROW(Gradients({leaf({3}) * 2}, Communicator()), std::logic_error);
}

}  // namespace
}  // namespace m2mkd
