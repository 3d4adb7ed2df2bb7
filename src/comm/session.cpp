#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <sstream>
#include <thread>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <unistd.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/host.hpp>
#include <m2mkd/comm/session.hpp>

#include "communicator_impl.hpp"
#include "device.hpp"
#include "place.hpp"

namespace m2mkd {
namespace {

/// True when this call started MPI.
bool start_mpi() {
  int ended = 0;
  MPI_Finalized(&ended);
  if (ended != 0) fail("MPI was closed already: a process can open it only once");
  if (mpi::is_up()) return false;
  int provided = MPI_THREAD_SINGLE;
  mpi::must(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
  if (provided < MPI_THREAD_FUNNELED) {
    fail(
        "this MPI library grants no threads beside the main one [MPI_THREAD_FUNNELED]; load "
        "another");
  }
  return true;
}

/// The ranks of this rank's host.
Communicator ranks_of_host(int rank, const std::shared_ptr<std::int64_t>& made) {
  MPI_Comm host = MPI_COMM_NULL;
  mpi::must(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &host),
            "MPI_Comm_split_type");
  return adopt(host, made);
}

std::string to_text(const std::vector<int>& cores) {
  std::ostringstream text;
  for (const int core : cores) text << core << ' ';
  return text.str();
}

std::vector<int> to_cores(const std::string& text) {
  std::istringstream in(text);
  std::vector<int> cores;
  for (int core; in >> core;) cores.push_back(core);
  return cores;
}

int share_of_threads(const std::vector<int>& cores, const Communicator& host) {
  std::vector<std::vector<int>> all;
  for (const std::string& text : host.all_gather(to_text(cores))) all.push_back(to_cores(text));
  return threads_of_environment().value_or(threads_for(cores, all));
}

}  // namespace

void Session::set_threads(int threads) {
  at::set_num_threads(threads);
  info_.threads = at::get_num_threads();
}

Session::Session() {
  started_ = start_mpi();
  mpi::must(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  const auto made = std::make_shared<std::int64_t>(0);
  MPI_Comm world = MPI_COMM_NULL;
  mpi::must(MPI_Comm_dup(MPI_COMM_WORLD, &world), "MPI_Comm_dup");
  world_ = adopt(world, made);

  const Communicator host = ranks_of_host(world_.rank(), made);
  const std::vector<int> cores = allowed_cores();
  info_.host = host_name();
  info_.local_rank = host.rank();
  info_.local_size = host.size();
  info_.cores = cores_text(cores);
  // Every rank takes part in the gathering, whatever its own environment says.
  set_threads(share_of_threads(cores, host));
  device_ = choose_device(info_.local_rank);
  info_.device = device_.str();
}

Session::~Session() {
  world_ = Communicator();
  // MPI_Finalize waits for all ranks. A rank that an exception unwinds must not: its process ends
  // without, and the launcher ends the others.
  if (!started_ || !mpi::is_up() || std::uncaught_exceptions() > 0) return;
  try {
    StopMessages::drain();
  } catch (const std::exception&) {
    // What is left unreceived holds nobody up.
  }
  MPI_Finalize();
}

std::vector<RankInfo> Session::all_infos() const {
  std::ostringstream mine;
  mine << info_.host << '\n'
       << info_.local_rank << '\n'
       << info_.local_size << '\n'
       << info_.device << '\n'
       << info_.threads << '\n'
       << info_.cores << '\n';
  std::vector<RankInfo> infos;
  for (const std::string& text : world_.all_gather(mine.str())) {
    std::istringstream in(text);
    RankInfo& info = infos.emplace_back();
    in >> info.host >> info.local_rank >> info.local_size >> info.device >> info.threads >>
        info.cores;
  }
  return infos;
}

void Session::abort(int code) {
  std::fflush(nullptr);
  if (mpi::is_up()) {
    // Lets the launcher forward what this rank, and others that failed alike, just said.
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    MPI_Abort(MPI_COMM_WORLD, code);
  }
  ::_exit(code);
}

int Session::rank_hint() {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"}) {
    if (const char* text = std::getenv(name)) return std::atoi(text);
  }
  return 0;
}

}  // namespace m2mkd
