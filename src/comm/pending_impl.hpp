#pragma once
// What a Pending holds: MPI requests here, a CUDA event in the CUDA build.

#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include <m2mkd/comm/communicator.hpp>

#include "mpi.hpp"

namespace m2mkd {

struct Pending::Impl {
  virtual ~Impl() = default;
  virtual bool test() = 0;
  virtual void wait() = 0;
};

/// Requests that finish together. Keeps their communicator and the tensors they work on alive.
class MpiPending : public Pending::Impl {
 public:
  explicit MpiPending(std::shared_ptr<Communicator::Impl> ranks);
  /// A sum of a type that MPI cannot add goes through `buffer` and is copied back at the end.
  MpiPending(std::shared_ptr<Communicator::Impl> ranks, at::Tensor target, at::Tensor buffer);
  MPI_Request* add();
  bool test() override;
  void wait() override;

 private:
  void done();

  std::shared_ptr<Communicator::Impl> ranks_;
  std::vector<MPI_Request> requests_;
  at::Tensor target_, buffer_;
};

}  // namespace m2mkd
