#pragma once
// Files of results as columns: metrics/<job>.h5 and summary.h5. A file is rewritten whole and
// renamed, so readers never meet an open one.

#include <filesystem>
#include <string>
#include <vector>

#include <m2mkd/store/table.hpp>

namespace m2mkd {

struct TableFile {
  Attributes attributes;
  std::vector<TableGroup> groups;

  TableGroup& group(const std::string& path);  ///< found or added
  const TableGroup* find(const std::string& path) const;
};

/// Written whole or not at all, as write_tensor_file does.
void write_table_file(const std::filesystem::path& path, const TableFile& contents);
/// Also of a tensor file: its attributes and tables.
TableFile read_table_file(const std::filesystem::path& path);

}  // namespace m2mkd
