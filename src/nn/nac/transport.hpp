#pragma once
// Assignment of rows to groups of equal size at the least total cost, exactly.

#include <cstdint>
#include <span>
#include <vector>

namespace m2mkd {

/// The group of each row, so that every group gets rows / groups of them and Σ cost[row, group] is
/// least. `cost`: (rows, groups), row-major, finite. O(rows² · groups) at worst; ties fall the same
/// way each time. Throws std::logic_error where groups do not divide the rows.
std::vector<std::int64_t> transport(std::span<const double> cost, std::int64_t groups);

}  // namespace m2mkd
