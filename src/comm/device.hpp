#pragma once
// Collectives on device tensors, and the choice of a device. src/comm/cuda implements them with
// NCCL; src/comm/cpu, built without CUDA, says so when asked.

#include <functional>
#include <memory>
#include <string>

#include <c10/core/Device.h>

#include <m2mkd/comm/communicator.hpp>

namespace m2mkd {

/// Collectives among the ranks of one communicator, each with its own device. Calls come in the
/// same order on every rank.
class DeviceCollectives {
 public:
  virtual ~DeviceCollectives() = default;
  /// Contiguous device tensors, in place.
  virtual std::unique_ptr<Pending::Impl> start_sum(at::Tensor tensor) = 0;
  virtual std::unique_ptr<Pending::Impl> start_broadcast(at::Tensor tensor, int root) = 0;
};

/// Collective. `share` gives every rank the text of rank 0.
std::unique_ptr<DeviceCollectives> make_device_collectives(
    c10::Device device, int rank, int size, const std::function<std::string(std::string)>& share);

/// Picks (and makes current) the device of the `local_rank`-th rank of this host.
c10::Device choose_device(int local_rank);

}  // namespace m2mkd
