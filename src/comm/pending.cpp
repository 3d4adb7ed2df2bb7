#include <exception>

#include <ATen/ATen.h>

#include <m2mkd/base/log.hpp>

#include "communicator_impl.hpp"
#include "pending_impl.hpp"

namespace m2mkd {

Pending::Pending() = default;
Pending::Pending(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Pending::Pending(Pending&&) noexcept = default;

Pending& Pending::operator=(Pending&& other) noexcept {
  Pending old(std::move(*this));  // its destructor waits
  impl_ = std::move(other.impl_);
  return *this;
}

Pending::~Pending() {
  if (!impl_) return;
  // While an exception unwinds this rank, the others may never join in: waiting would hang the job
  // before the error is told. The operation is left to itself, with its memory and communicator,
  // until the process ends.
  if (std::uncaught_exceptions() > 0 || !mpi::is_up()) {
    static_cast<void>(impl_.release());
    return;
  }
  try {
    impl_->wait();
  } catch (const std::exception& error) {
    log::error("a collective operation that nobody waited for failed: {}", error.what());
    static_cast<void>(impl_.release());
  }
}

bool Pending::test() {
  if (impl_ && impl_->test()) impl_.reset();
  return !impl_;
}

void Pending::wait() {
  if (impl_) impl_->wait();
  impl_.reset();
}

MpiPending::MpiPending(std::shared_ptr<Communicator::Impl> ranks) : ranks_(std::move(ranks)) {}

MpiPending::MpiPending(std::shared_ptr<Communicator::Impl> ranks, at::Tensor target,
                       at::Tensor buffer)
    : ranks_(std::move(ranks)), target_(std::move(target)), buffer_(std::move(buffer)) {}

MPI_Request* MpiPending::add() {
  return &requests_.emplace_back(MPI_REQUEST_NULL);
}

bool MpiPending::test() {
  int finished = 0;
  mpi::must(MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &finished,
                        MPI_STATUSES_IGNORE),
            "MPI_Testall");
  if (finished != 0) done();
  return finished != 0;
}

void MpiPending::wait() {
  mpi::must(MPI_Waitall(static_cast<int>(requests_.size()), requests_.data(), MPI_STATUSES_IGNORE),
            "MPI_Waitall");
  done();
}

void MpiPending::done() {
  if (buffer_.defined() && !buffer_.is_same(target_)) target_.copy_(buffer_);
}

}  // namespace m2mkd
