#include <set>

#include <m2mkd/store/digest.hpp>

#include "new_file.hpp"
#include "table_groups.hpp"
#include "tensor_types.hpp"

namespace m2mkd {
namespace {

/// Writes one tensor; `tensor` may lie on any device.
TensorInfo write_tensor(hid_t file, const std::string& name, const at::Tensor& tensor) {
  const auto type = tensor.scalar_type();
  const auto data = tensor.detach().to(at::kCPU).contiguous();
  TensorInfo info{name, dtype_name(type), data.sizes().vec(),
                  xxh3_hex(data.data_ptr(), data.nbytes()),
                  static_cast<std::int64_t>(data.nbytes())};
  const auto slash = name.rfind('/');
  const bool nested = slash != std::string::npos;
  const auto group = h5::make_group(file, nested ? name.substr(0, slash) : "");
  const auto stored = dataset_type(type);
  auto dataset =
      h5::make_dataset(group, nested ? name.substr(slash + 1) : name, stored, info.shape);
  if (data.numel() > 0) {
    h5::must(H5Dwrite(dataset, stored, H5S_ALL, H5S_ALL, H5P_DEFAULT, data.data_ptr()),
             "write data");
  }
  h5::write_attribute(dataset, h5::kDataDigest, info.xxh3);
  if (needs_dtype_attribute(type)) h5::write_attribute(dataset, "dtype", info.dtype);
  // HDF5 may keep small writes back until here.
  h5::must(dataset.close(), "write data");
  return info;
}

void require_names(const NamedTensors& tensors) {
  std::set<std::string> names;
  for (const auto& [name, tensor] : tensors) {
    require(!name.empty() && name.front() != '/' && name.back() != '/' &&
                name.find("//") == std::string::npos,
            "tensor name '" + name + "' is a path without empty parts");
    require(names.insert(name).second, "tensor name '" + name + "' is used once");
    require(tensor.defined(), "tensor '" + name + "' is defined");
  }
}

}  // namespace

std::string write_tensor_file(const std::filesystem::path& path, const TensorFile& contents) {
  require_names(contents.tensors);
  h5::Lock lock;
  h5::NewFile out(path);
  std::string digest;
  out.write([&](hid_t file) {
    std::vector<TensorInfo> written;
    for (const auto& [name, tensor] : contents.tensors) {
      try {
        written.push_back(write_tensor(file, name, tensor));
      } catch (const Error& problem) {
        fail("tensor '{}': {}", name, problem.what());
      }
    }
    digest = list_digest(written);
    auto attributes = h5::header(h5::kTensors);
    attributes[kDigest] = digest;
    attributes.insert(contents.attributes.begin(), contents.attributes.end());
    h5::write_attributes(file, attributes);
    h5::write_marked_tables(file, contents.tables);
  });
  out.finish();
  return digest;
}

}  // namespace m2mkd
