#include "zip_file.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string_view>

#include <zlib.h>

#include <m2mkd/base/error.hpp>

namespace m2mkd {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are read as they lie in memory");

// Sizes of the format's records, without what varies.
constexpr std::int64_t kEnd = 22, kLocator = 20, kEnd64 = 56, kLocal = 30;
constexpr std::size_t kCentral = 46;
constexpr std::int64_t kLongestComment = 0xffff, kLongestList = 256 << 20;

template <class T>
T number(std::string_view bytes, std::size_t at) {
  T value;
  if (bytes.size() < sizeof(T) || at > bytes.size() - sizeof(T))
    fail("a record of its list of entries is cut off");
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

std::string part(const InFile& file, std::int64_t offset, std::int64_t size) {
  std::string bytes(static_cast<std::size_t>(size), '\0');
  file.read(offset, bytes.data(), size);
  return bytes;
}

std::int64_t place(std::uint64_t offset, const InFile& file) {
  if (offset > static_cast<std::uint64_t>(file.size()))
    fail("its archive speaks of byte {}, it has {} (truncated?)", offset, file.size());
  return static_cast<std::int64_t>(offset);
}

struct ListPlace {
  std::int64_t offset = 0, size = 0;
};

// Where the list of entries is, from the record at the file's end.
ListPlace find_list(const InFile& file) {
  const auto tail_size = std::min(file.size(), kEnd + kLongestComment);
  const auto tail_begin = file.size() - tail_size;
  const auto tail = part(file, tail_begin, tail_size);
  const auto at = tail.rfind("PK\x05\x06");
  if (at == std::string::npos) fail("its archive has no list of entries at its end (truncated?)");
  ListPlace list{place(number<std::uint32_t>(tail, at + 16), file),
                 place(number<std::uint32_t>(tail, at + 12), file)};
  if (number<std::uint16_t>(tail, at + 20) != tail.size() - at - kEnd)
    fail("its archive does not end where its last record says (truncated?)");
  const auto end = tail_begin + static_cast<std::int64_t>(at);
  if (end < kLocator) return list;
  const auto locator = part(file, end - kLocator, kLocator);
  if (!locator.starts_with("PK\x06\x07")) return list;
  const auto end64 = place(number<std::uint64_t>(locator, 8), file);
  const auto record = part(file, end64, kEnd64);
  if (!record.starts_with("PK\x06\x06")) fail("its zip64 record is damaged");
  return {place(number<std::uint64_t>(record, 48), file),
          place(number<std::uint64_t>(record, 40), file)};
}

// The 64-bit numbers that did not fit, from the field of kind 1 among an entry's extra fields.
struct Wide {
  std::string_view rest;
  std::uint64_t next(std::uint32_t small) {
    if (small != 0xffffffff) return small;
    const auto value = number<std::uint64_t>(rest, 0);
    rest.remove_prefix(8);
    return value;
  }
};

Wide wide_numbers(std::string_view extra) {
  while (extra.size() >= 4) {
    const std::size_t size = number<std::uint16_t>(extra, 2);
    if (size > extra.size() - 4) fail("an extra field of its list of entries is cut off");
    if (number<std::uint16_t>(extra, 0) == 1) return {extra.substr(4, size)};
    extra.remove_prefix(4 + size);
  }
  return {};
}

}  // namespace

ZipFile::ZipFile(const InFile& file) : file_(file) {
  const auto where = find_list(file);
  if (where.size > kLongestList) fail("its list of entries has {} bytes", where.size);
  const auto text = part(file, where.offset, where.size);
  std::string_view list = text;
  while (!list.empty()) {
    if (!list.starts_with("PK\x01\x02")) fail("its list of entries is damaged");
    const std::size_t name = number<std::uint16_t>(list, 28),
                      extra = number<std::uint16_t>(list, 30),
                      comment = number<std::uint16_t>(list, 32);
    const auto length = kCentral + name + extra + comment;
    if (length > list.size()) fail("its list of entries is cut off");
    auto wide = wide_numbers(list.substr(kCentral + name, extra));
    const auto size = wide.next(number<std::uint32_t>(list, 24));
    const auto packed = wide.next(number<std::uint32_t>(list, 20));
    const auto header = wide.next(number<std::uint32_t>(list, 42));
    const bool encrypted = (number<std::uint16_t>(list, 8) & 1) != 0;
    const bool stored = number<std::uint16_t>(list, 10) == 0 && !encrypted && size == packed;
    const std::string key(list.substr(kCentral, name));
    const Entry entry{place(header, file), stored ? place(size, file) : 0,
                      number<std::uint32_t>(list, 16), stored};
    if (!entries_.emplace(key, entry).second) fail("its archive has entry '{}' twice", key);
    list.remove_prefix(length);
  }
}

void ZipFile::read(const std::string& name, void* out) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) fail("its archive has no entry '{}'", name);
  const auto& entry = found->second;
  if (!entry.stored)
    fail("entry '{}' is compressed or encrypted, which torch's files are not; save it anew", name);
  const auto header = part(file_, entry.header, kLocal);
  if (!header.starts_with("PK\x03\x04")) fail("entry '{}' is not where its archive says", name);
  file_.read(
      entry.header + kLocal + number<std::uint16_t>(header, 26) + number<std::uint16_t>(header, 28),
      out, entry.size);
  const auto crc = ::crc32_z(0, static_cast<const Bytef*>(out), static_cast<z_size_t>(entry.size));
  if (entry.crc != 0 && crc != entry.crc)
    fail("entry '{}' is damaged: its CRC-32 is {:08x}, not {:08x}", name, crc, entry.crc);
}

}  // namespace m2mkd
