#include <utility>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/comm/gradients.hpp>

#include "bucket_sums.hpp"
#include "communicator_impl.hpp"
#include "gradient_hooks.hpp"
#include "squares.hpp"

namespace m2mkd {

struct Gradients::Impl {
  Impl(std::vector<at::Tensor> leaves, Communicator whole, std::int64_t bucket_bytes);
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  /// Throws when somebody replaced a .grad(): the buckets would then miss it silently.
  void check_views() const;

  std::vector<at::Tensor> parameters;
  std::vector<at::Tensor> views;
  Communicator group;
  std::shared_ptr<BucketSums> sums;
};

Gradients::Impl::Impl(std::vector<at::Tensor> leaves, Communicator whole, std::int64_t bucket_bytes)
    : parameters(std::move(leaves)), group(std::move(whole)) {
  require(bucket_bytes > 0, "buckets have a size");
  for (const at::Tensor& parameter : parameters) {
    require(parameter.is_leaf() && parameter.requires_grad(),
            "gradients are kept for leaves that require them");
    require(parameter.is_non_overlapping_and_dense(), "parameters lie dense in memory");
    require(!has_gradient_hook(parameter), "a parameter has one owner of its gradient at a time");
  }
  BucketLayout layout = lay_out(parameters, bucket_bytes);
  // A communicator of its own: a rank without micro-batch reduces later than the others, which must
  // not get between other calls.
  sums = std::make_shared<BucketSums>(std::move(layout.buckets), group.split(0));
  sums->prepare();

  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const at::Tensor& parameter = parameters[i];
    const auto [bucket, offset] = layout.slots[i];
    // The parameter's own strides: autograd then adds in place.
    views.push_back(
        sums->buckets()[bucket].flat.as_strided(parameter.sizes(), parameter.strides(), offset));
    parameter.mutable_grad() = views.back();
    if (group.size() == 1) continue;
    set_gradient_hook(parameter, [weak = std::weak_ptr(sums), bucket = bucket] {
      if (const auto alive = weak.lock()) alive->ready(bucket);
    });
  }
}

Gradients::Impl::~Impl() {
  for (const at::Tensor& parameter : parameters) {
    if (group.size() > 1) clear_gradient_hook(parameter);
    parameter.mutable_grad() = at::Tensor();
  }
}

void Gradients::Impl::check_views() const {
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const at::Tensor& gradient = parameters[i].grad();
    require(
        gradient.defined() && gradient.const_data_ptr() == views[i].const_data_ptr(),
        "a .grad() no longer lies in its bucket: nothing but Gradients may replace or clear it");
  }
}

Gradients::Gradients(std::vector<at::Tensor> parameters, Communicator group,
                     std::int64_t bucket_bytes)
    : impl_(std::make_unique<Impl>(std::move(parameters), std::move(group), bucket_bytes)) {}
Gradients::~Gradients() = default;
Gradients::Gradients(Gradients&&) noexcept = default;
Gradients& Gradients::operator=(Gradients&&) noexcept = default;

void Gradients::zero() {
  require(impl_->sums->started() == 0, "finish() comes before zero()");
  for (const Bucket& bucket : impl_->sums->buckets()) bucket.flat.zero_();
}

void Gradients::overlap_last_backward() {
  if (impl_->group.size() == 1) return;
  // The backward announced before this one is over. What it left goes out first, so that the order
  // of all calls is the same on a rank that only calls finish() for one job after the other (NCCL
  // wants one order over all communicators of a device).
  std::weak_ptr<BucketSums>& overlapping = impl_->group.impl()->overlapping;
  if (const auto earlier = overlapping.lock(); earlier && earlier->armed()) earlier->start_rest();
  impl_->sums->arm();
  overlapping = impl_->sums;
}

void Gradients::finish() {
  impl_->check_views();
  impl_->sums->finish();
}

std::int64_t Gradients::bytes() const {
  std::int64_t total = 0;
  for (const Bucket& bucket : impl_->sums->buckets()) {
    total += static_cast<std::int64_t>(bucket.flat.nbytes());
  }
  return total;
}

at::Tensor Gradients::norm() const {
  const c10::NoGradGuard no_grad;
  at::Tensor squares;
  for (const Bucket& bucket : impl_->sums->buckets()) {
    const at::Tensor part = sum_of_squares(bucket.flat);
    squares = squares.defined() ? squares + part : part;
  }
  return squares.defined() ? squares.sqrt() : at::zeros({}, at::kDouble);
}

void Gradients::scale(double factor) {
  for (const Bucket& bucket : impl_->sums->buckets()) bucket.flat.mul_(factor);
}

}  // namespace m2mkd
