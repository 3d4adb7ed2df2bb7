#pragma once
// Empty messages by which any rank of a communicator tells the others that a stop was requested.
//
// They travel on MPI_COMM_WORLD under a tag of their communicator's own, because that is never
// freed: a message that nobody received cannot reach a communicator made later. What is left at the
// end is received by the Session (see `drain`).

#include <vector>

#include "mpi.hpp"

namespace m2mkd {

class StopMessages {
 public:
  /// `world_ranks` are the other members.
  StopMessages(std::vector<int> world_ranks, int tag);
  ~StopMessages();
  StopMessages(const StopMessages&) = delete;
  StopMessages& operator=(const StopMessages&) = delete;

  void tell();
  bool heard();

  /// Receives whatever arrived for communicators that are gone. Called before MPI_Finalize; what
  /// arrives later still is an empty eager message, which no sender waits for.
  static void drain();

 private:
  std::vector<int> others_;
  int tag_;
  bool told_ = false;
  bool heard_ = false;
  std::vector<MPI_Request> sends_;
};

}  // namespace m2mkd
