#pragma once
// Where this process runs: cores, threads. No MPI.

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace m2mkd {

/// The cores that this process may run on, ascending.
std::vector<int> allowed_cores();

/// "0-3,8" for {0, 1, 2, 3, 8}.
std::string cores_text(const std::vector<int>& cores);

/// OMP_NUM_THREADS where it is a positive number (of a list, the first).
std::optional<int> threads_of_environment();

/// Fair share of `mine` among the ranks of this host (`all`, this one included) whose cores overlap
/// with it; at least 1.
int threads_for(const std::vector<int>& mine, const std::vector<std::vector<int>>& all);

}  // namespace m2mkd
