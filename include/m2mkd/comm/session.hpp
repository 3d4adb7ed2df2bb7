#pragma once
// MPI for the life of one command (RAII), and this rank's place on its host. Opened only by
// commands that compute in parallel.

#include <functional>
#include <string>
#include <vector>

#include <m2mkd/comm/communicator.hpp>

namespace m2mkd {

/// One line of the start-up table.
struct RankInfo {
  std::string host;
  int local_rank = 0;  ///< index among the ranks of this host
  int local_size = 1;
  std::string device;  ///< "cpu" or "cuda:0"
  int threads = 1;     ///< ATen threads
  std::string cores;   ///< cores that this rank may run on: "0-1"
};

class Session {
 public:
  /// Starts MPI (FUNNELED) when launched by mpirun or srun, or alone. Sets ATen's threads: cores of
  /// this host (within this rank's binding) divided by the ranks that share them, at least 1;
  /// OMP_NUM_THREADS wins over that share. MPI can be opened once per process; a Session made while
  /// another lives uses its MPI.
  Session();
  /// Closes MPI, together with all ranks. While an exception unwinds this rank it does not wait for
  /// them: end the process then.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const Communicator& world() const { return world_; }
  const RankInfo& info() const { return info_; }
  /// Another number of ATen threads for this rank.
  void set_threads(int threads);
  /// Every rank's info, sorted by world rank. Collective.
  std::vector<RankInfo> all_infos() const;
  /// cuda:<local rank> when the program was built for CUDA and devices exist; else cpu.
  c10::Device device() const { return device_; }

  /// Ends every rank of the job with this exit code; does not return. For a rank that throws:
  /// nothing must hang.
  [[noreturn]] static void abort(int code);
  /// The rank as the launcher's environment tells it, before MPI starts (so that only rank 0 prints
  /// usage errors); 0 if unknown.
  static int rank_hint();

 private:
  bool started_ = false;
  Communicator world_;
  RankInfo info_;
  c10::Device device_{c10::kCPU};
};

}  // namespace m2mkd
