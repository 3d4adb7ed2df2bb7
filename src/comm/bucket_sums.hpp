#pragma once
// The reduction of one job's buckets: always in bucket order, so that all ranks issue the same
// collectives in the same order.

#include <cstddef>
#include <vector>

#include <m2mkd/comm/communicator.hpp>

namespace m2mkd {

/// Where one parameter's gradient lies.
struct Slot {
  std::size_t bucket = 0;
  std::int64_t offset = 0;  ///< in elements
};

/// A flat tensor (elements) and how many parameters share it.
struct Bucket {
  at::Tensor flat;
  std::int64_t parameters = 0;
};

class BucketSums {
 public:
  BucketSums(std::vector<Bucket> buckets, Communicator group);

  const std::vector<Bucket>& buckets() const { return buckets_; }
  /// Makes the device collectives now: hooks of a CUDA backward run on its own thread, which must
  /// not call MPI. Collective.
  void prepare();
  /// From here on `ready` counts.
  void arm();
  bool armed() const { return armed_; }
  /// Buckets whose sums were started and not yet waited for by finish().
  std::size_t started() const { return pending_.size(); }
  /// A parameter of this bucket has its gradient; starts every bucket whose turn it is.
  void ready(std::size_t bucket);
  /// Starts what was not started.
  void start_rest();
  /// Starts the rest, waits for all, and disarms.
  void finish();

 private:
  void start_next();

  std::vector<Bucket> buckets_;
  Communicator group_;
  bool armed_ = false;
  std::vector<std::int64_t> missing_;  ///< per bucket: parameters without their gradient
  std::vector<Pending> pending_;       ///< of the buckets started so far, in order
};

/// Cuts `parameters` into buckets of about `bucket_bytes`, last declared first, one dtype and
/// device each; slots as `parameters`.
struct BucketLayout {
  std::vector<Bucket> buckets;
  std::vector<Slot> slots;
};
BucketLayout lay_out(const std::vector<at::Tensor>& parameters, std::int64_t bucket_bytes);

}  // namespace m2mkd
