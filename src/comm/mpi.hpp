#pragma once
// The one place that includes <mpi.h>, without the C++ bindings of old Open MPI and MPICH.

#ifndef OMPI_SKIP_MPICXX
#define OMPI_SKIP_MPICXX 1
#endif
#ifndef MPICH_SKIP_MPICXX
#define MPICH_SKIP_MPICXX 1
#endif
#include <string_view>

#include <c10/core/ScalarType.h>
#include <mpi.h>

namespace m2mkd::mpi {

/// Throws Error when `code` is not MPI_SUCCESS. `call` names what failed: "MPI_Allreduce".
void must(int code, std::string_view call);

/// True between MPI_Init and MPI_Finalize.
bool is_up();

/// The MPI type in which tensors of this dtype are summed; throws Error for those that MPI cannot
/// add.
MPI_Datatype type_of(at::ScalarType dtype);

}  // namespace m2mkd::mpi
