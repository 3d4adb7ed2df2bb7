#include "stop_messages.hpp"

#include <utility>

#include <ATen/ATen.h>

namespace m2mkd {
namespace {

/// Receives one waiting message with this tag; false when there is none.
bool receive(int tag) {
  int there = 0;
  MPI_Status status;
  mpi::must(MPI_Iprobe(MPI_ANY_SOURCE, tag, MPI_COMM_WORLD, &there, &status), "MPI_Iprobe");
  if (there == 0) return false;
  mpi::must(MPI_Recv(nullptr, 0, MPI_BYTE, status.MPI_SOURCE, status.MPI_TAG, MPI_COMM_WORLD,
                     MPI_STATUS_IGNORE),
            "MPI_Recv");
  return true;
}

}  // namespace

StopMessages::StopMessages(std::vector<int> world_ranks, int tag)
    : others_(std::move(world_ranks)), tag_(tag) {}

StopMessages::~StopMessages() {
  if (!mpi::is_up()) return;
  for (MPI_Request& send : sends_) {
    int finished = 0;
    if (MPI_Test(&send, &finished, MPI_STATUS_IGNORE) == MPI_SUCCESS && finished == 0) {
      MPI_Request_free(&send);  // MPI completes it by itself; there is no buffer to keep
    }
  }
}

void StopMessages::tell() {
  if (std::exchange(told_, true)) return;
  sends_.reserve(others_.size());
  for (const int rank : others_) {
    MPI_Request& send = sends_.emplace_back(MPI_REQUEST_NULL);
    mpi::must(MPI_Isend(nullptr, 0, MPI_BYTE, rank, tag_, MPI_COMM_WORLD, &send), "MPI_Isend");
  }
}

bool StopMessages::heard() {
  while (receive(tag_)) heard_ = true;
  return heard_;
}

void StopMessages::drain() {
  while (receive(MPI_ANY_TAG)) {
  }
}

}  // namespace m2mkd
