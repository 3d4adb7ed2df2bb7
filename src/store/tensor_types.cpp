#include "tensor_types.hpp"

#include <algorithm>

#include <fmt/ranges.h>

#include <m2mkd/store/digest.hpp>

namespace m2mkd {
namespace {

struct Element {
  at::ScalarType type;
  const char* name;
};

constexpr Element kElements[] = {
    {at::kFloat, "float32"},     {at::kDouble, "float64"}, {at::kHalf, "float16"},
    {at::kBFloat16, "bfloat16"}, {at::kLong, "int64"},     {at::kInt, "int32"},
    {at::kByte, "uint8"},        {at::kBool, "bool"},
};

/// IEEE half precision, the way NumPy and h5py spell it.
h5::Type half() {
  h5::Type type(H5Tcopy(H5T_IEEE_F32LE));
  h5::must(H5Tset_fields(type, 15, 10, 5, 0, 10), "float16");
  h5::must(H5Tset_size(type, 2), "float16");
  h5::must(H5Tset_ebias(type, 15), "float16");
  return type;
}

hid_t plain_type(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return H5T_IEEE_F32LE;
    case at::kDouble:
      return H5T_IEEE_F64LE;
    case at::kLong:
      return H5T_STD_I64LE;
    case at::kInt:
      return H5T_STD_I32LE;
    case at::kBFloat16:
      return H5T_STD_U16LE;
    default:
      return H5T_STD_U8LE;
  }
}

}  // namespace

std::string dtype_name(at::ScalarType type) {
  for (const auto& element : kElements) {
    if (element.type == type) return element.name;
  }
  fail("element type {} cannot be stored; convert the tensor first", at::toString(type));
}

h5::Type dataset_type(at::ScalarType type) {
  return type == at::kHalf ? half() : h5::Type(H5Tcopy(plain_type(type)));
}

bool needs_dtype_attribute(at::ScalarType type) {
  return type == at::kBFloat16 || type == at::kBool;
}

at::ScalarType element_type(hid_t dataset) {
  const auto attributes = h5::read_attributes(dataset);
  const auto told = attributes.find("dtype");
  h5::Type stored(H5Dget_type(dataset));
  for (const auto& element : kElements) {
    if (H5Tequal(stored, dataset_type(element.type)) <= 0) continue;
    const bool match = told == attributes.end() ? !needs_dtype_attribute(element.type)
                                                : told->second == Attribute(element.name);
    if (match) return element.type;
  }
  fail("its element type is none that tensors have here");
}

TensorInfo tensor_info(const std::string& name, hid_t dataset) {
  const auto type = element_type(dataset);
  TensorInfo info{name, dtype_name(type), h5::shape_of(dataset), "", 0};
  const auto attributes = h5::read_attributes(dataset);
  if (attributes.count(h5::kDataDigest)) info.xxh3 = text_attribute(attributes, h5::kDataDigest);
  info.bytes = static_cast<std::int64_t>(c10::elementSize(type));
  for (const auto extent : info.shape) info.bytes *= extent;
  return info;
}

std::string list_digest(const std::vector<TensorInfo>& tensors) {
  std::vector<std::string> lines;
  for (const auto& tensor : tensors) {
    lines.push_back(fmt::format("{} {} [{}] {}\n", tensor.name, tensor.dtype,
                                fmt::join(tensor.shape, ","), tensor.xxh3));
  }
  std::sort(lines.begin(), lines.end());
  std::string all;
  for (const auto& line : lines) all += line;
  return xxh3_hex(all);
}

std::string tensors_digest(const NamedTensors& tensors) {
  std::vector<TensorInfo> list;
  for (const auto& [name, tensor] : tensors) {
    const auto data = tensor.detach().to(at::kCPU).contiguous();
    list.push_back({name, dtype_name(data.scalar_type()), data.sizes().vec(),
                    xxh3_hex(data.data_ptr(), data.nbytes()),
                    static_cast<std::int64_t>(data.nbytes())});
  }
  return list_digest(list);
}

}  // namespace m2mkd
