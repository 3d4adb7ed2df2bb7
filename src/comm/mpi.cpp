#include "mpi.hpp"

#include <string>

#include <ATen/ATen.h>

#include <m2mkd/base/error.hpp>

namespace m2mkd::mpi {

void must(int code, std::string_view call) {
  if (code == MPI_SUCCESS) return;
  std::string text(MPI_MAX_ERROR_STRING, '\0');
  int length = 0;
  if (MPI_Error_string(code, text.data(), &length) != MPI_SUCCESS) length = 0;
  text.resize(static_cast<std::size_t>(length));
  fail(
      "{} failed: {} [MPI error {}]. Another rank or the network may have gone: look at the first "
      "message of all ranks",
      call, text.empty() ? "no description" : text, code);
}

bool is_up() {
  int begun = 0;
  int ended = 0;
  MPI_Initialized(&begun);
  MPI_Finalized(&ended);
  return begun != 0 && ended == 0;
}

MPI_Datatype type_of(at::ScalarType dtype) {
  switch (dtype) {
    case at::kFloat:
      return MPI_FLOAT;
    case at::kDouble:
      return MPI_DOUBLE;
    case at::kByte:
      return MPI_UINT8_T;
    case at::kChar:
      return MPI_INT8_T;
    case at::kShort:
      return MPI_INT16_T;
    case at::kInt:
      return MPI_INT32_T;
    case at::kLong:
      return MPI_INT64_T;
    default:
      fail("cannot sum tensors of type {} over ranks: convert them first", c10::toString(dtype));
  }
}

}  // namespace m2mkd::mpi
