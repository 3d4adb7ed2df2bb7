#include <m2mkd/store/table_file.hpp>

#include "h5.hpp"

namespace m2mkd {
namespace {

template <class T>
std::vector<T> read_values(hid_t dataset, hid_t type, std::int64_t count) {
  std::vector<T> values(count);
  h5::check(H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), "read data");
  return values;
}

Column read_column(hid_t dataset) {
  const auto shape = h5::shape_of(dataset);
  if (shape.size() != 1) fail("it has {} dimensions, a column has one", shape.size());
  h5::Type type(H5Dget_type(dataset));
  switch (H5Tget_class(type)) {
    case H5T_FLOAT:
      return read_values<double>(dataset, H5T_NATIVE_DOUBLE, shape[0]);
    case H5T_INTEGER:
      return read_values<std::int64_t>(dataset, H5T_NATIVE_INT64, shape[0]);
    case H5T_STRING:
      return h5::read_texts(dataset);
    default:
      fail("it holds neither numbers nor texts");
  }
}

void read_group(hid_t group, const std::string& path, int depth, TableFile& out) {
  if (depth > h5::kDeepest) fail("groups are nested more than {} deep at '{}'", h5::kDeepest, path);
  TableGroup table{path, {}, {}};
  if (!path.empty()) table.attributes = h5::read_attributes(group);
  bool leaf = true;
  h5::for_each_child(group, [&](const std::string& name, hid_t object, bool is_group) {
    if (is_group) return void(leaf = false);
    try {
      table.columns.emplace_back(name, read_column(object));
    } catch (const Error& problem) {
      fail("column '{}/{}': {}", path, name, problem.what());
    }
  });
  // Groups that only hold groups ("methods") are no tables.
  const bool empty = table.attributes.empty() && table.columns.empty();
  if (!empty || (leaf && !path.empty())) out.groups.push_back(std::move(table));
  h5::for_each_child(group, [&](const std::string& name, hid_t object, bool is_group) {
    if (is_group) read_group(object, path.empty() ? name : path + "/" + name, depth + 1, out);
  });
}

}  // namespace

TableFile read_table_file(const std::filesystem::path& path) {
  return h5::reading(path, [](hid_t file) {
    TableFile contents{h5::read_attributes(file), {}};
    h5::check_header(contents.attributes, h5::kTables);
    read_group(file, "", 0, contents);
    return contents;
  });
}

}  // namespace m2mkd
