#pragma once
// The HDF5 file of every tensor that this program hands over: module files and checkpoints
// (docs/file-formats.md).
//
// Layout: root attributes, and one contiguous, page-aligned dataset per tensor under its name,
// which may hold slashes
// ("stages/0/blocks.0.attn.qkv.weight"). Tables are groups with attribute `columns`; their columns
// have no `xxh3`. Each dataset has attribute `xxh3` (16 hex digits, of the
// bytes before the write); root attribute `digest` is the XXH3 of the sorted list of lines "name
// dtype [a,b] xxh3\n", so it identifies the contents whatever the attributes. 24 bytes after HDF5's
// end hold a checksum of the rest (attributes, structure, tables), checked by every reader
// (src/store/seal.hpp). Written whole or not at all: written as `<name>.tmp.<pid>` beside the
// target, closed, fsynced, renamed, folder fsynced.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <m2mkd/store/attributes.hpp>
#include <m2mkd/store/named_tensors.hpp>
#include <m2mkd/store/table.hpp>

namespace m2mkd {

struct TensorInfo {
  std::string name;
  std::string dtype;  ///< "float32", "float64", "float16", "bfloat16" (uint16 with attribute
                      ///< dtype), "int64", "int32", "uint8", "bool" (uint8 with attribute dtype)
  std::vector<std::int64_t> shape;
  std::string xxh3;
  std::int64_t bytes = 0;
};

struct TensorFile {
  Attributes attributes;
  NamedTensors tensors;              ///< CPU, contiguous
  std::vector<TableGroup> tables{};  ///< at the root, beside the tensors' groups
};

/// Writes and publishes; returns the digest. Adds attributes format ("m2mkd"), format_version,
/// program_version, git, created. Tensors on any device; copied to the CPU one at a time. On any
/// error (disk full) the target is untouched and the temporary file removed; throws Error with
/// what, where, why.
std::string write_tensor_file(const std::filesystem::path& path, const TensorFile& contents);

/// Reads all or the tensors that `wanted` accepts, and verifies their digests. Throws Error:
/// missing, damaged (names the tensor), not ours, or a format_version newer than this program's.
TensorFile read_tensor_file(const std::filesystem::path& path,
                            const std::function<bool(const std::string&)>& wanted = {});

/// Root attributes alone.
Attributes read_attributes(const std::filesystem::path& path);

/// The list of tensors without their data.
std::vector<TensorInfo> list_tensors(const std::filesystem::path& path);

/// Reads everything, compares all digests, and looks for values of a network or an optimizer that
/// are not finite; returns the damages found, empty when the file is sound.
std::vector<std::string> verify_tensor_file(const std::filesystem::path& path);

}  // namespace m2mkd
