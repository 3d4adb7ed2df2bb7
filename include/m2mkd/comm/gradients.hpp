#pragma once
// Gradients of one job: views into flat zeroed buckets, summed over the group once per optimizer
// step, overlapped with backward.
//
// Buckets hold parameters in reverse order of declaration (about the order in which backward
// finishes them), one dtype each. The buckets are reduced in fixed order, so the result depends on
// the group's size alone.

#include <cstdint>
#include <memory>
#include <vector>

#include <m2mkd/comm/communicator.hpp>

namespace m2mkd {

class Gradients {
 public:
  /// `parameters` are leaves with requires_grad; their .grad() become views. `bucket_bytes`: size
  /// at which a bucket is closed.
  Gradients(std::vector<at::Tensor> parameters, Communicator group,
            std::int64_t bucket_bytes = 32 << 20);
  ~Gradients();
  Gradients(Gradients&&) noexcept;
  Gradients& operator=(Gradients&&) noexcept;

  /// Zeroes every bucket: call before the first backward of a step.
  void zero();
  /// From the next backward on, a bucket whose parameters all have their gradients is reduced at
  /// once (called before a rank's last backward of the step). A parameter that gets no gradient in
  /// that backward is taken in finish().
  void overlap_last_backward();
  /// Starts what was not started yet, waits for all, and leaves the sums in .grad(). Every rank of
  /// the group must call it, also one that had no micro-batch.
  void finish();
  /// Total bytes over all buckets.
  std::int64_t bytes() const;
  /// sqrt(sum of squares) over all gradients, accumulated in double (0-dim double tensor on the
  /// device).
  at::Tensor norm() const;
  /// Multiplies every gradient.
  void scale(double factor);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace m2mkd
