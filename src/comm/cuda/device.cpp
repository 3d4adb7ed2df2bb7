// NCCL on a stream of its own, so that sums overlap the backward that still computes. One
// communicator per object.

#include "../device.hpp"

#include <exception>
#include <utility>

#include <ATen/ATen.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <nccl.h>

#include <m2mkd/base/error.hpp>

#include "../pending_impl.hpp"
#include "event.hpp"

namespace m2mkd {
namespace {

void must(ncclResult_t code, std::string_view call, ncclComm_t comm = nullptr) {
  if (code == ncclSuccess || code == ncclInProgress) return;
  fail("{} failed: {} [{}]. Two ranks on one GPU are refused; NCCL_DEBUG=INFO tells more", call,
       ncclGetErrorString(code), ncclGetLastError(comm));
}

ncclDataType_t type_of(at::ScalarType dtype) {
  switch (dtype) {
    case at::kFloat:
      return ncclFloat32;
    case at::kDouble:
      return ncclFloat64;
    case at::kHalf:
      return ncclFloat16;
    case at::kBFloat16:
      return ncclBfloat16;
    case at::kByte:
      return ncclUint8;
    case at::kChar:
      return ncclInt8;
    case at::kInt:
      return ncclInt32;
    case at::kLong:
      return ncclInt64;
    default:
      fail("cannot sum tensors of type {} over ranks: convert them first", c10::toString(dtype));
  }
}

/// The communicator and its stream; operations under way keep it alive.
struct Ring {
  Ring(c10::Device where, ncclComm_t ranks)
      : device(where), comm(ranks), stream(c10::cuda::getStreamFromPool(true, where.index())) {}
  ~Ring() {
    // While an exception unwinds this rank, the others may never answer.
    if (std::uncaught_exceptions() > 0) {
      ncclCommAbort(comm);
    } else {
      ncclCommDestroy(comm);
    }
  }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  c10::Device device;
  ncclComm_t comm;
  c10::cuda::CUDAStream stream;
};

class NcclPending : public Pending::Impl {
 public:
  NcclPending(std::shared_ptr<Ring> ring, at::Tensor tensor)
      : ring_(std::move(ring)), tensor_(std::move(tensor)) {
    done_.record(ring_->stream);
  }
  bool test() override {
    check_ring();
    return done_.reached();
  }
  void wait() override {
    check_ring();
    done_.hold_back(c10::cuda::getCurrentCUDAStream(ring_->device.index()));
  }

 private:
  /// Errors of the network and of other ranks show up between the calls.
  void check_ring() const {
    ncclResult_t state = ncclSuccess;
    must(ncclCommGetAsyncError(ring_->comm, &state), "ncclCommGetAsyncError", ring_->comm);
    must(state, "an NCCL operation under way", ring_->comm);
  }

  std::shared_ptr<Ring> ring_;
  at::Tensor tensor_;
  Event done_;
};

class NcclCollectives : public DeviceCollectives {
 public:
  explicit NcclCollectives(std::shared_ptr<Ring> ring) : ring_(std::move(ring)) {}

  std::unique_ptr<Pending::Impl> start_sum(at::Tensor tensor) override {
    const c10::cuda::CUDAGuard guard(ring_->device);
    const ncclDataType_t type = type_of(tensor.scalar_type());
    follow_current_stream();
    must(ncclAllReduce(tensor.data_ptr(), tensor.data_ptr(),
                       static_cast<std::size_t>(tensor.numel()), type, ncclSum, ring_->comm,
                       ring_->stream),
         "ncclAllReduce", ring_->comm);
    return std::make_unique<NcclPending>(ring_, std::move(tensor));
  }

  std::unique_ptr<Pending::Impl> start_broadcast(at::Tensor tensor, int root) override {
    const c10::cuda::CUDAGuard guard(ring_->device);
    follow_current_stream();
    must(ncclBroadcast(tensor.data_ptr(), tensor.data_ptr(), tensor.nbytes(), ncclUint8, root,
                       ring_->comm, ring_->stream),
         "ncclBroadcast", ring_->comm);
    return std::make_unique<NcclPending>(ring_, std::move(tensor));
  }

 private:
  /// What the caller's stream computed so far comes before the next collective.
  void follow_current_stream() {
    Event computed;
    computed.record(c10::cuda::getCurrentCUDAStream(ring_->device.index()));
    computed.hold_back(ring_->stream);
  }

  std::shared_ptr<Ring> ring_;
};

}  // namespace

std::unique_ptr<DeviceCollectives> make_device_collectives(
    c10::Device device, int rank, int size, const std::function<std::string(std::string)>& share) {
  if (!device.is_cuda()) fail("no collective operations on tensors of device {}", device.str());
  const c10::cuda::CUDAGuard guard(device);
  ncclUniqueId id{};
  if (rank == 0) must(ncclGetUniqueId(&id), "ncclGetUniqueId");
  const std::string text = share(std::string(id.internal, sizeof id.internal));
  text.copy(id.internal, sizeof id.internal);
  ncclComm_t comm = nullptr;
  must(ncclCommInitRank(&comm, size, id, rank), "ncclCommInitRank");
  return std::make_unique<NcclCollectives>(std::make_shared<Ring>(device, comm));
}

c10::Device choose_device(int local_rank) {
  const int count = c10::cuda::device_count();
  if (count == 0) return c10::kCPU;
  // Where the launcher shows each rank its own GPU alone, that is number 0 for all of them.
  const auto index = static_cast<c10::DeviceIndex>(local_rank % count);
  c10::cuda::set_device(index);
  return {c10::kCUDA, index};
}

}  // namespace m2mkd
