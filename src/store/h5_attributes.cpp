#include <optional>

#include "h5.hpp"

namespace m2mkd::h5 {
namespace {

void write(hid_t object, const std::string& name, hid_t type, hid_t space, const void* value) {
  const std::string doing = "write attribute '" + name + "'";
  AttributeHandle attribute(
      must(H5Acreate2(object, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT), doing));
  must(H5Awrite(attribute, type, value), doing);
  must(attribute.close(), doing);
}

/// Copies texts that HDF5 allocated, then gives them back.
std::vector<std::string> take(std::vector<char*>& raw, hid_t type, hid_t space) {
  std::vector<std::string> texts;
  for (const char* text : raw) texts.emplace_back(text ? text : "");
  H5Dvlen_reclaim(type, space, H5P_DEFAULT, raw.data());
  return texts;
}

// Those of fixed length are HDF5's own (CLASS of a dimension scale), no attributes of this program.
std::optional<Attribute> read_text(hid_t attribute, hid_t space, hid_t stored) {
  if (H5Tis_variable_str(stored) <= 0) return std::nullopt;
  Type type = text_type();
  H5Tset_cset(type, H5Tget_cset(stored));
  std::vector<char*> raw(1, nullptr);
  must(H5Aread(attribute, type, raw.data()), "read attribute");
  return take(raw, type, space).front();
}

std::optional<Attribute> read_one(hid_t attribute) {
  Space space(H5Aget_space(attribute));
  if (H5Sget_simple_extent_npoints(space) != 1) return std::nullopt;
  Type stored(H5Aget_type(attribute));
  switch (H5Tget_class(stored)) {
    case H5T_INTEGER: {
      std::int64_t value = 0;
      must(H5Aread(attribute, H5T_NATIVE_INT64, &value), "read attribute");
      return value;
    }
    case H5T_FLOAT: {
      double value = 0;
      must(H5Aread(attribute, H5T_NATIVE_DOUBLE, &value), "read attribute");
      return value;
    }
    case H5T_STRING:
      return read_text(attribute, space, stored);
    default:
      return std::nullopt;
  }
}

herr_t keep_name(hid_t, const char* name, const H5A_info_t*, void* names) {
  static_cast<std::vector<std::string>*>(names)->emplace_back(name);
  return 0;
}

}  // namespace

void write_attribute(hid_t object, const std::string& name, const Attribute& value) {
  Space scalar(H5Screate(H5S_SCALAR));
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    write(object, name, H5T_STD_I64LE, scalar, integer);
  } else if (const auto* number = std::get_if<double>(&value)) {
    write(object, name, H5T_IEEE_F64LE, scalar, number);
  } else {
    // Of variable length: then the text lies in a heap and may be longer than an attribute's 64
    // KiB.
    const auto& text = std::get<std::string>(value);
    require(text.find('\0') == std::string::npos, "a text attribute holds no NUL");
    const char* pointer = text.c_str();
    Type type = text_type();
    write(object, name, type, scalar, &pointer);
  }
}

void write_attribute(hid_t object, const std::string& name, const std::vector<double>& values) {
  const hsize_t count = values.size();
  Space space(H5Screate_simple(1, &count, nullptr));
  write(object, name, H5T_IEEE_F64LE, space, values.data());
}

void write_attributes(hid_t object, const Attributes& attributes) {
  for (const auto& [name, value] : attributes) write_attribute(object, name, value);
}

Attributes read_attributes(hid_t object) {
  std::vector<std::string> names;
  hsize_t position = 0;
  must(H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_INC, &position, keep_name, &names),
       "read attributes");
  Attributes attributes;
  for (const auto& name : names) {
    AttributeHandle attribute(
        must(H5Aopen(object, name.c_str(), H5P_DEFAULT), "read attribute '" + name + "'"));
    if (auto value = read_one(attribute)) attributes.emplace(name, std::move(*value));
  }
  return attributes;
}

std::vector<double> read_numbers(hid_t object, const std::string& name) {
  const std::string doing = "read attribute '" + name + "'";
  if (must(H5Aexists(object, name.c_str()), doing) == 0) return {};
  AttributeHandle attribute(must(H5Aopen(object, name.c_str(), H5P_DEFAULT), doing));
  Space space(H5Aget_space(attribute));
  std::vector<double> values(must(H5Sget_simple_extent_npoints(space), doing));
  must(H5Aread(attribute, H5T_NATIVE_DOUBLE, values.data()), doing);
  return values;
}

std::vector<std::string> read_texts(hid_t dataset) {
  Type stored(H5Dget_type(dataset));
  Space space(H5Dget_space(dataset));
  if (H5Tis_variable_str(stored) <= 0) fail("a column of texts is not of variable length");
  std::vector<char*> raw(must(H5Sget_simple_extent_npoints(space), "read texts"), nullptr);
  if (raw.empty()) return {};
  must(H5Dread(dataset, stored, H5S_ALL, H5S_ALL, H5P_DEFAULT, raw.data()), "read texts");
  return take(raw, stored, space);
}

void write_texts(hid_t dataset, const std::vector<std::string>& texts) {
  std::vector<const char*> pointers;
  for (const auto& text : texts) pointers.push_back(text.c_str());
  if (pointers.empty()) return;
  Type type = text_type();
  must(H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, pointers.data()), "write texts");
}

}  // namespace m2mkd::h5
