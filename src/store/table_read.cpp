#include <m2mkd/store/table_file.hpp>

#include "table_groups.hpp"

namespace m2mkd {
namespace h5 {
namespace {

template <class T>
std::vector<T> read_values(hid_t dataset, hid_t type, std::int64_t count) {
  std::vector<T> values(count);
  must(H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), "read data");
  return values;
}

Column read_column(hid_t dataset) {
  const auto shape = shape_of(dataset);
  if (shape.size() != 1) fail("it has {} dimensions, a column has one", shape.size());
  Type type(H5Dget_type(dataset));
  switch (H5Tget_class(type)) {
    case H5T_FLOAT:
      return read_values<double>(dataset, H5T_NATIVE_DOUBLE, shape[0]);
    case H5T_INTEGER:
      return read_values<std::int64_t>(dataset, H5T_NATIVE_INT64, shape[0]);
    case H5T_STRING:
      return read_texts(dataset);
    default:
      fail("it holds neither numbers nor texts");
  }
}

}  // namespace

void read_tables(hid_t group, const std::string& path, int depth, std::vector<TableGroup>& out) {
  if (depth > kDeepest) fail("groups are nested more than {} deep at '{}'", kDeepest, path);
  TableGroup table{path, {}, {}};
  if (!path.empty()) table.attributes = read_attributes(group);
  bool leaf = true;
  for_each_child(group, [&](const std::string& name, hid_t object, bool is_group) {
    if (is_group) return void(leaf = false);
    try {
      table.columns.emplace_back(name, read_column(object));
    } catch (const Error& problem) {
      fail("column '{}/{}': {}", path, name, problem.what());
    }
  });
  // Groups that only hold groups ("methods") are no tables.
  const bool empty = table.attributes.empty() && table.columns.empty();
  if (!empty || (leaf && !path.empty())) out.push_back(std::move(table));
  for_each_child(group, [&](const std::string& name, hid_t object, bool is_group) {
    if (is_group) read_tables(object, path.empty() ? name : path + "/" + name, depth + 1, out);
  });
}

bool is_marked_table(hid_t group) {
  return must(H5Aexists(group, kColumns), "look for columns") > 0;
}

std::vector<TableGroup> read_marked_tables(hid_t file) {
  std::vector<TableGroup> tables;
  for_each_child(file, [&](const std::string& name, hid_t object, bool is_group) {
    if (!is_group || !is_marked_table(object)) return;
    read_tables(object, name, 1, tables);
    tables.back().attributes.erase(kColumns);
  });
  return tables;
}

}  // namespace h5

TableFile read_table_file(const std::filesystem::path& path) {
  return h5::reading(path, [](hid_t file) {
    TableFile contents{h5::read_attributes(file), {}};
    const bool of_tensors = text_or_empty(contents.attributes, "format") == h5::kTensors;
    h5::check_header(contents.attributes, of_tensors ? h5::kTensors : h5::kTables);
    if (of_tensors)
      contents.groups = h5::read_marked_tables(file);
    else
      h5::read_tables(file, "", 0, contents.groups);
    return contents;
  });
}

}  // namespace m2mkd
