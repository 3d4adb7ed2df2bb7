#pragma once
// Groups of columns in an open HDF5 file.

#include <m2mkd/store/table.hpp>

#include "h5.hpp"

namespace m2mkd::h5 {

/// Attribute of a table's group in a tensor file: how many columns it has.
inline constexpr const char* kColumns = "columns";

void write_table(hid_t file, const TableGroup& table);
/// A group and all groups in it, which hold columns alone.
void read_tables(hid_t group, const std::string& path, int depth, std::vector<TableGroup>& out);

/// Tables of a tensor file, which lie beside the groups of its tensors.
void write_marked_tables(hid_t file, const std::vector<TableGroup>& tables);
std::vector<TableGroup> read_marked_tables(hid_t file);
bool is_marked_table(hid_t group);

}  // namespace m2mkd::h5
