#include <hdf5_hl.h>

#include <m2mkd/store/table_file.hpp>

#include "new_file.hpp"
#include "table_groups.hpp"

namespace m2mkd {
namespace h5 {
namespace {

std::int64_t length(const Column& column) {
  return std::visit([](const auto& values) { return static_cast<std::int64_t>(values.size()); },
                    column);
}

Dataset write_column(hid_t group, const std::string& name, const Column& column) {
  const std::vector<std::int64_t> shape{length(column)};
  const auto write = [&](hid_t type, const void* values) {
    auto dataset = make_dataset(group, name, type, shape);
    must(H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values), "write data");
    return dataset;
  };
  if (const auto* numbers = std::get_if<std::vector<double>>(&column)) {
    return write(H5T_IEEE_F64LE, numbers->data());
  }
  if (const auto* integers = std::get_if<std::vector<std::int64_t>>(&column)) {
    return write(H5T_STD_I64LE, integers->data());
  }
  auto dataset = make_dataset(group, name, text_type(), shape);
  write_texts(dataset, std::get<std::vector<std::string>>(column));
  return dataset;
}

}  // namespace

void write_table(hid_t file, const TableGroup& table) {
  const auto group = make_group(file, table.path);
  write_attributes(group, table.attributes);
  Dataset scale;
  for (const auto& [name, column] : table.columns) {
    require(length(column) == length(table.columns.front().second),
            "column '" + name + "' is as long as the first of '" + table.path + "'");
    require(name.find('/') == std::string::npos, "column name '" + name + "' has no slash");
    auto dataset = write_column(group, name, column);
    if (scale < 0) {
      must(H5DSset_scale(dataset, name.c_str()), "make dimension scale '" + name + "'");
      scale = std::move(dataset);
    } else {
      must(H5DSattach_scale(dataset, scale, 0), "attach dimension scale to '" + name + "'");
      must(dataset.close(), "write data");
    }
  }
  must(scale.close(), "write data");
}

void write_marked_tables(hid_t file, const std::vector<TableGroup>& tables) {
  for (const auto& table : tables) {
    require(table.path.find('/') == std::string::npos, "tables lie at the root");
    write_table(file, table);
    write_attribute(make_group(file, table.path), kColumns,
                    Attribute(static_cast<std::int64_t>(table.columns.size())));
  }
}

}  // namespace h5

const TableGroup* find_group(const std::vector<TableGroup>& groups, const std::string& path) {
  for (const auto& group : groups)
    if (group.path == path) return &group;
  return nullptr;
}

TableGroup& TableFile::group(const std::string& path) {
  for (auto& existing : groups) {
    if (existing.path == path) return existing;
  }
  return groups.emplace_back(TableGroup{path, {}, {}});
}

const TableGroup* TableFile::find(const std::string& path) const {
  return find_group(groups, path);
}

void write_table_file(const std::filesystem::path& path, const TableFile& contents) {
  h5::Lock lock;
  h5::NewFile out(path);
  out.write([&](hid_t file) {
    auto attributes = h5::header(h5::kTables);
    attributes.insert(contents.attributes.begin(), contents.attributes.end());
    h5::write_attributes(file, attributes);
    for (const auto& table : contents.groups) {
      try {
        h5::write_table(file, table);
      } catch (const Error& problem) {
        fail("group '{}': {}", table.path, problem.what());
      }
    }
  });
  out.finish();
}

}  // namespace m2mkd
