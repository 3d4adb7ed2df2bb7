#pragma once
// A set of ranks that work together. The default-built one is serial: rank 0 of 1, every collective
// a no-op.
//
// CPU tensors go through MPI, CUDA tensors through NCCL (one NCCL communicator per object, made on
// first use). All calls on the main thread. Every call is collective unless it says otherwise: all
// ranks make the same calls on one communicator in the same order, those under way included (a
// communicator made by `split` has an order of its own). MPI errors throw Error.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace m2mkd {

/// A reduction or barrier under way. Movable. Destroying an unfinished one waits, except while an
/// exception unwinds the rank (the others may never join in, and nothing must hang).
class Pending {
 public:
  struct Impl;
  Pending();
  explicit Pending(std::unique_ptr<Impl> impl);
  Pending(Pending&&) noexcept;
  Pending& operator=(Pending&&) noexcept;
  ~Pending();
  /// Drives progress; true when finished (always true for the serial communicator).
  bool test();
  /// Until finished. For CUDA tensors: whatever the current stream gets from now on sees the
  /// result; the host does not block.
  void wait();

 private:
  std::unique_ptr<Impl> impl_;
};

class Communicator {
 public:
  Communicator();  ///< serial
  struct Impl;
  explicit Communicator(std::shared_ptr<Impl> impl);

  int rank() const;
  int size() const;

  void barrier() const;
  /// A barrier that can be polled while other things go on.
  Pending start_barrier() const;
  /// Sum over ranks, in place. Tensors are contiguous. bfloat16 and half on CPUs are added in
  /// float.
  void sum(at::Tensor tensor) const;
  /// The same under way; the tensor must live until it is finished.
  Pending start_sum(at::Tensor tensor) const;
  void sum(std::span<double> values) const;
  void max(std::span<double> values) const;
  /// Copies from `root` to all, in place. Any dtype, contiguous.
  void broadcast(at::Tensor tensor, int root = 0) const;
  std::string broadcast(std::string text, int root = 0) const;
  /// Every rank's text, in rank order, on every rank.
  std::vector<std::string> all_gather(const std::string& text) const;
  /// Ranks with the same `color` form a new communicator, ordered by rank. A negative color gets a
  /// serial one.
  Communicator split(int color) const;
  /// The implementation, for src/comm alone.
  const std::shared_ptr<Impl>& impl() const { return impl_; }

  /// Not collective: tells all other ranks that a stop was requested; they learn it from
  /// `stop_heard`. Never blocks.
  void tell_stop() const;
  /// Not collective: true once some other rank called tell_stop on this communicator. Cheap enough
  /// for every step.
  bool stop_heard() const;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace m2mkd
