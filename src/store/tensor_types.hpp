#pragma once
// How tensors' element types stand in files.

#include <ATen/ATen.h>

#include "h5.hpp"

namespace m2mkd {

/// "float32", …; throws for types that files do not hold.
std::string dtype_name(at::ScalarType type);
/// The dataset's type in the file, little-endian. bfloat16 is uint16 and bool uint8, told by
/// attribute `dtype`.
h5::Type dataset_type(at::ScalarType type);
/// True where the HDF5 type alone does not tell the element type.
bool needs_dtype_attribute(at::ScalarType type);
/// The element type of a dataset.
at::ScalarType element_type(hid_t dataset);

/// Name, type, shape, digest and size of a dataset, without its data.
TensorInfo tensor_info(const std::string& name, hid_t dataset);
/// Digest of the list of tensors: XXH3 of the sorted lines "name dtype [a,b] xxh3".
std::string list_digest(const std::vector<TensorInfo>& tensors);
/// Root attribute with the digest of the list.
inline constexpr const char* kDigest = "digest";

}  // namespace m2mkd
