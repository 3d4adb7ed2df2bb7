#pragma once
// Results as columns: groups of 1-D datasets of equal length with a shared dimension scale.

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <m2mkd/store/attributes.hpp>

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

  /// The column of this name; null where there is none, or one of another type.
  template <class T>
  const std::vector<T>* column(const std::string& name) const {
    for (const auto& [own, values] : columns)
      if (own == name) return std::get_if<std::vector<T>>(&values);
    return nullptr;
  }
};

/// The group of this path; null where there is none.
const TableGroup* find_group(const std::vector<TableGroup>& groups, const std::string& path);

}  // namespace m2mkd
