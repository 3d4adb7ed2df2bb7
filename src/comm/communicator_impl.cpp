#include "communicator_impl.hpp"

#include <exception>
#include <numeric>
#include <vector>

#include <ATen/ATen.h>

#include <m2mkd/base/error.hpp>

namespace m2mkd {
namespace {

/// Ranks in MPI_COMM_WORLD of all members but this one.
std::vector<int> others_in_world(MPI_Comm comm, int rank, int size) {
  MPI_Group members, world;
  mpi::must(MPI_Comm_group(comm, &members), "MPI_Comm_group");
  mpi::must(MPI_Comm_group(MPI_COMM_WORLD, &world), "MPI_Comm_group");
  std::vector<int> mine(static_cast<std::size_t>(size)), there(mine.size());
  std::iota(mine.begin(), mine.end(), 0);
  mpi::must(MPI_Group_translate_ranks(members, size, mine.data(), world, there.data()),
            "MPI_Group_translate_ranks");
  MPI_Group_free(&members);
  MPI_Group_free(&world);
  there.erase(there.begin() + rank);
  return there;
}

/// A number that no communicator with one of these members had before.
std::int64_t agree_on_number(MPI_Comm comm, std::int64_t& made) {
  ++made;
  mpi::must(MPI_Allreduce(MPI_IN_PLACE, &made, 1, MPI_INT64_T, MPI_MAX, comm), "MPI_Allreduce");
  return made;
}

}  // namespace

Communicator::Impl::Impl(MPI_Comm owned, std::shared_ptr<std::int64_t> counter)
    : comm(owned), made(std::move(counter)) {
  mpi::must(MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  mpi::must(MPI_Comm_rank(comm, &rank), "MPI_Comm_rank");
  mpi::must(MPI_Comm_size(comm, &size), "MPI_Comm_size");
  constexpr int tags = 32767;  // what every MPI library grants at least
  const auto tag = static_cast<int>(agree_on_number(comm, *made) % tags);
  stop = std::make_unique<StopMessages>(others_in_world(comm, rank, size), tag);
}

Communicator::Impl::~Impl() {
  // Freeing is collective: not while an exception unwinds this rank alone, nor after the end.
  if (std::uncaught_exceptions() == 0 && mpi::is_up()) MPI_Comm_free(&comm);
}

DeviceCollectives& Communicator::Impl::on_device(c10::Device wanted) {
  if (!device) {
    const auto share = [this](std::string text) {
      mpi::must(MPI_Bcast(text.data(), static_cast<int>(text.size()), MPI_BYTE, 0, comm),
                "MPI_Bcast");
      return text;
    };
    device = make_device_collectives(wanted, rank, size, share);
    device_used = wanted;
  }
  require(device_used == wanted, "a rank uses one device for all its collectives");
  return *device;
}

Communicator adopt(MPI_Comm owned, std::shared_ptr<std::int64_t> made) {
  int size = 1;
  mpi::must(MPI_Comm_size(owned, &size), "MPI_Comm_size");
  if (size == 1) {
    mpi::must(MPI_Comm_free(&owned), "MPI_Comm_free");
    return {};
  }
  return Communicator(std::make_shared<Communicator::Impl>(owned, std::move(made)));
}

}  // namespace m2mkd
