#pragma once
// Results as columns: metrics/<job>.h5 and summary.h5. Groups hold 1-D datasets of equal length
// with a shared dimension scale, and attributes; a file is rewritten whole and renamed, so readers
// never meet an open one.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <m2mkd/store/tensor_file.hpp>

namespace m2mkd {

/// One column: numbers, integers or texts.
using Column =
    std::variant<std::vector<double>, std::vector<std::int64_t>, std::vector<std::string>>;

/// A group: its path ("epochs", "methods/m2mkd"), attributes, and columns in order. The first
/// column is the dimension scale.
struct TableGroup {
  std::string path;
  Attributes attributes;
  std::vector<std::pair<std::string, Column>> columns;
};

struct TableFile {
  Attributes attributes;
  std::vector<TableGroup> groups;

  TableGroup& group(const std::string& path);  ///< found or added
  const TableGroup* find(const std::string& path) const;
};

/// Publishes atomically, as write_tensor_file does.
void write_table_file(const std::filesystem::path& path, const TableFile& contents);
TableFile read_table_file(const std::filesystem::path& path);

/// A small text file published atomically (config.ini, plan.json, status).
void write_text_file(const std::filesystem::path& path, const std::string& text);
/// Whole file as text. Throws Error with the reason.
std::string read_text_file(const std::filesystem::path& path);

}  // namespace m2mkd
