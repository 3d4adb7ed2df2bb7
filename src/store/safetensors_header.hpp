#pragma once
// The JSON header of a .safetensors file.

#include <map>
#include <string>
#include <vector>

#include <ATen/ATen.h>

namespace m2mkd {

struct SafetensorsEntry {
  std::string name;
  at::ScalarType type{};
  std::vector<std::int64_t> shape;
  std::int64_t begin = 0, end = 0;  ///< bytes, counted from the end of the header
};

struct SafetensorsHeader {
  /// Readers must not be made to reserve more for a header; the format's own limit.
  static constexpr std::int64_t kLargest = 100'000'000;

  std::map<std::string, std::string> metadata;
  std::vector<SafetensorsEntry> entries;

  /// The text, padded with blanks so that the data start at a multiple of 8 bytes.
  std::string text() const;
  /// Entries in the order of their data. Throws Error unless they cover `data_bytes` exactly.
  static SafetensorsHeader parse(const std::string& text, std::int64_t data_bytes);
};

}  // namespace m2mkd
