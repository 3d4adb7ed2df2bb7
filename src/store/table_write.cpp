#include <hdf5_hl.h>

#include <m2mkd/store/table_file.hpp>

#include "new_file.hpp"

namespace m2mkd {
namespace {

std::int64_t length(const Column& column) {
  return std::visit([](const auto& values) { return static_cast<std::int64_t>(values.size()); },
                    column);
}

h5::Dataset write_column(hid_t group, const std::string& name, const Column& column) {
  const std::vector<std::int64_t> shape{length(column)};
  const auto write = [&](hid_t type, const void* values) {
    auto dataset = h5::make_dataset(group, name, type, shape);
    h5::check(H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values), "write data");
    return dataset;
  };
  if (const auto* numbers = std::get_if<std::vector<double>>(&column)) {
    return write(H5T_IEEE_F64LE, numbers->data());
  }
  if (const auto* integers = std::get_if<std::vector<std::int64_t>>(&column)) {
    return write(H5T_STD_I64LE, integers->data());
  }
  auto dataset = h5::make_dataset(group, name, h5::text_type(), shape);
  h5::write_texts(dataset, std::get<std::vector<std::string>>(column));
  return dataset;
}

void write_group(hid_t file, const TableGroup& table) {
  const auto group = h5::make_group(file, table.path);
  h5::write_attributes(group, table.attributes);
  h5::Dataset scale;
  for (const auto& [name, column] : table.columns) {
    require(length(column) == length(table.columns.front().second),
            "column '" + name + "' is as long as the first of '" + table.path + "'");
    require(name.find('/') == std::string::npos, "column name '" + name + "' has no slash");
    auto dataset = write_column(group, name, column);
    if (scale < 0) {
      h5::check(H5DSset_scale(dataset, name.c_str()), "make dimension scale '" + name + "'");
      scale = std::move(dataset);
    } else {
      h5::check(H5DSattach_scale(dataset, scale, 0), "attach dimension scale to '" + name + "'");
      h5::check(dataset.close(), "write data");
    }
  }
  h5::check(scale.close(), "write data");
}

}  // namespace

TableGroup& TableFile::group(const std::string& path) {
  for (auto& existing : groups) {
    if (existing.path == path) return existing;
  }
  return groups.emplace_back(TableGroup{path, {}, {}});
}

const TableGroup* TableFile::find(const std::string& path) const {
  for (const auto& existing : groups) {
    if (existing.path == path) return &existing;
  }
  return nullptr;
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
        write_group(file, table);
      } catch (const Error& problem) {
        fail("group '{}': {}", table.path, problem.what());
      }
    }
  });
  out.finish();
}

}  // namespace m2mkd
