#include <chrono>
#include <climits>
#include <thread>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/stopwatch.hpp>
#include <m2mkd/comm/communicator.hpp>

#include "chunks.hpp"
#include "communicator_impl.hpp"
#include "pending_impl.hpp"

namespace m2mkd {
namespace {

void reduce_values(std::span<double> values, MPI_Op op, MPI_Comm comm) {
  for_chunks(std::ssize(values), [&](std::int64_t offset, int count) {
    mpi::must(MPI_Allreduce(MPI_IN_PLACE, values.data() + offset, count, MPI_DOUBLE, op, comm),
              "MPI_Allreduce");
  });
}

void broadcast_bytes(char* data, std::int64_t bytes, int root, MPI_Comm comm) {
  for_chunks(bytes, [&](std::int64_t offset, int count) {
    mpi::must(MPI_Bcast(data + offset, count, MPI_BYTE, root, comm), "MPI_Bcast");
  });
}

}  // namespace

Communicator::Communicator() = default;
Communicator::Communicator(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

int Communicator::rank() const {
  return impl_ ? impl_->rank : 0;
}
int Communicator::size() const {
  return impl_ ? impl_->size : 1;
}

Pending Communicator::start_barrier() const {
  if (!impl_) return {};
  auto pending = std::make_unique<MpiPending>(impl_);
  mpi::must(MPI_Ibarrier(impl_->comm, pending->add()), "MPI_Ibarrier");
  return Pending(std::move(pending));
}

void Communicator::barrier() const {
  // Others may take long to come: after the first two milliseconds leave the core to them.
  Pending pending = start_barrier();
  const Stopwatch watch;
  while (!pending.test()) {
    if (watch.seconds() < 2e-3) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  }
}

void Communicator::sum(at::Tensor tensor) const {
  start_sum(std::move(tensor)).wait();
}

Pending Communicator::start_sum(at::Tensor tensor) const {
  require(tensor.is_contiguous(), "sums over ranks take contiguous tensors");
  if (!impl_ || tensor.numel() == 0) return {};
  const c10::NoGradGuard no_grad;
  at::Tensor target = tensor.detach();
  if (!target.is_cpu()) return Pending(impl_->on_device(target.device()).start_sum(target));

  const bool low = target.scalar_type() == at::kBFloat16 || target.scalar_type() == at::kHalf;
  const at::Tensor buffer = low ? target.to(at::kFloat) : target;
  const MPI_Datatype type = mpi::type_of(buffer.scalar_type());
  auto pending = std::make_unique<MpiPending>(impl_, target, buffer);
  auto* data = static_cast<char*>(buffer.data_ptr());
  const auto width = static_cast<std::int64_t>(buffer.element_size());
  for_chunks(buffer.numel(), [&](std::int64_t offset, int count) {
    mpi::must(MPI_Iallreduce(MPI_IN_PLACE, data + offset * width, count, type, MPI_SUM, impl_->comm,
                             pending->add()),
              "MPI_Iallreduce");
  });
  return Pending(std::move(pending));
}

void Communicator::sum(std::span<double> values) const {
  if (impl_) reduce_values(values, MPI_SUM, impl_->comm);
}

void Communicator::max(std::span<double> values) const {
  if (impl_) reduce_values(values, MPI_MAX, impl_->comm);
}

void Communicator::broadcast(at::Tensor tensor, int root) const {
  require(tensor.is_contiguous(), "broadcasts take contiguous tensors");
  require(root >= 0 && root < size(), "the root of a broadcast is one of its ranks");
  if (!impl_ || tensor.numel() == 0) return;
  const c10::NoGradGuard no_grad;
  at::Tensor target = tensor.detach();
  if (!target.is_cpu()) {
    Pending(impl_->on_device(target.device()).start_broadcast(target, root)).wait();
    return;
  }
  broadcast_bytes(static_cast<char*>(target.data_ptr()), static_cast<std::int64_t>(target.nbytes()),
                  root, impl_->comm);
}

std::string Communicator::broadcast(std::string text, int root) const {
  require(root >= 0 && root < size(), "the root of a broadcast is one of its ranks");
  if (!impl_) return text;
  std::int64_t length = std::ssize(text);
  mpi::must(MPI_Bcast(&length, 1, MPI_INT64_T, root, impl_->comm), "MPI_Bcast");
  text.resize(static_cast<std::size_t>(length));
  broadcast_bytes(text.data(), length, root, impl_->comm);
  return text;
}

std::vector<std::string> Communicator::all_gather(const std::string& text) const {
  if (!impl_) return {text};
  const auto ranks = static_cast<std::size_t>(impl_->size);
  std::vector<std::int64_t> sizes(ranks);
  const std::int64_t mine = std::ssize(text);
  mpi::must(MPI_Allgather(&mine, 1, MPI_INT64_T, sizes.data(), 1, MPI_INT64_T, impl_->comm),
            "MPI_Allgather");
  std::vector<int> counts, starts;
  std::int64_t total = 0;
  for (const std::int64_t bytes : sizes) {
    counts.push_back(static_cast<int>(bytes));
    starts.push_back(static_cast<int>(total));
    total += bytes;
    if (total > INT_MAX) fail("the ranks' texts to gather are larger than 2 GiB together");
  }
  std::string all(static_cast<std::size_t>(total), '\0');
  mpi::must(MPI_Allgatherv(text.data(), counts[static_cast<std::size_t>(impl_->rank)], MPI_BYTE,
                           all.data(), counts.data(), starts.data(), MPI_BYTE, impl_->comm),
            "MPI_Allgatherv");
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < ranks; ++i) {
    texts.push_back(
        all.substr(static_cast<std::size_t>(starts[i]), static_cast<std::size_t>(counts[i])));
  }
  return texts;
}

Communicator Communicator::split(int color) const {
  if (!impl_) return {};
  MPI_Comm part = MPI_COMM_NULL;
  mpi::must(MPI_Comm_split(impl_->comm, color < 0 ? MPI_UNDEFINED : color, impl_->rank, &part),
            "MPI_Comm_split");
  return part == MPI_COMM_NULL ? Communicator() : adopt(part, impl_->made);
}

void Communicator::tell_stop() const {
  if (impl_) impl_->stop->tell();
}

bool Communicator::stop_heard() const {
  return impl_ && impl_->stop->heard();
}

}  // namespace m2mkd
