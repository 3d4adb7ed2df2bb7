#pragma once
// The exchange format .safetensors: 8 bytes with the header's length (little-endian), a JSON header
// {name: {dtype, shape, data_offsets}}, then the tensors' bytes (little-endian) without gaps.
//
// Such files come from anywhere: nothing in them is believed before it was compared with the file.

#include <filesystem>
#include <map>
#include <string>

#include <m2mkd/store/tensor_file.hpp>

namespace m2mkd {

struct SafetensorsFile {
  std::map<std::string, std::string> metadata;  ///< the header's `__metadata__`
  NamedTensors tensors;  ///< CPU, contiguous; after reading in the order of their data
};

/// Written whole or not at all, as write_tensor_file does. Element types F64, F32, F16, BF16, I64,
/// I32, U8, BOOL; tensors on any device, copied to the CPU one at a time.
void write_safetensors(const std::filesystem::path& path, const SafetensorsFile& contents);

/// Throws Error with the reason: missing, truncated, not of this format, an element type not listed
/// above, data that lie outside the file, overlap, leave gaps, or are not of the size that shape
/// and type make.
SafetensorsFile read_safetensors(const std::filesystem::path& path);

}  // namespace m2mkd
