#pragma once
// A communicator of two or more ranks: owns its MPI communicator and, on first use, its device
// collectives.

#include <cstdint>
#include <memory>

#include <m2mkd/comm/communicator.hpp>

#include "device.hpp"
#include "mpi.hpp"
#include "stop_messages.hpp"

namespace m2mkd {

class BucketSums;

struct Communicator::Impl {
  /// Takes `owned`. `made` counts the communicators of this process; all of a process share it.
  Impl(MPI_Comm owned, std::shared_ptr<std::int64_t> made);
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  /// The collectives of `device`; collective when they are not made yet.
  DeviceCollectives& on_device(c10::Device device);

  MPI_Comm comm;
  int rank = 0;
  int size = 1;
  std::shared_ptr<std::int64_t> made;
  std::unique_ptr<StopMessages> stop;
  std::unique_ptr<DeviceCollectives> device;
  c10::Device device_used{c10::kCPU};
  /// The gradients whose last backward was announced last (see Gradients::overlap_last_backward).
  std::weak_ptr<BucketSums> overlapping;
};

/// Wraps a communicator that the caller owns; a single rank becomes the serial one and `owned` is
/// freed.
Communicator adopt(MPI_Comm owned, std::shared_ptr<std::int64_t> made);

}  // namespace m2mkd
