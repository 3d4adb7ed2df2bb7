#pragma once
// The form of torch's files before 1.6, byte by byte, so that tests can write what PyTorch does
// not.

#include <cstdint>
#include <string>
#include <vector>

namespace m2mkd::test {

inline std::string little(std::uint64_t value, int count) {
  std::string bytes;
  for (; count > 0; --count, value >>= 8) bytes += static_cast<char>(value & 0xff);
  return bytes;
}

inline std::string text(const std::string& value) {
  return "X" + little(value.size(), 4) + value;
}

inline std::string integer(std::int64_t value) {
  return "\x8a\x08" + little(static_cast<std::uint64_t>(value), 8);
}

inline std::string tuple(const std::vector<std::int64_t>& values) {
  std::string bytes = "(";
  for (const auto value : values) bytes += integer(value);
  return bytes + "t";
}

/// _rebuild_tensor_v2(storage, offset, sizes, strides, False, OrderedDict()).
inline std::string tensor_text(const std::string& type, const std::string& key,
                               std::int64_t elements, std::int64_t offset,
                               const std::vector<std::int64_t>& sizes,
                               const std::vector<std::int64_t>& strides) {
  return "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + "ctorch\n" + type +
         "Storage\n" + text(key) + text("cpu") + integer(elements) + "tQ" + integer(offset) +
         tuple(sizes) + tuple(strides) + "\x89" + "ccollections\nOrderedDict\n)RtR";
}

/// A whole file: `pickle` with its STOP, then one storage "s" of `elements` float32 ones.
inline std::string stream_text(const std::string& pickle, std::int64_t elements) {
  const std::string proto = "\x80\x02";
  std::string bytes = proto + "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19." + proto +
                      integer(1001) + "." + proto + "}" + text("little_endian") + "\x88s." + proto +
                      pickle + proto + "](" + text("s") + "e." +
                      little(static_cast<std::uint64_t>(elements), 8);
  for (std::int64_t i = 0; i < elements; ++i) bytes += std::string("\0\0\x80\x3f", 4);
  return bytes;
}

}  // namespace m2mkd::test
