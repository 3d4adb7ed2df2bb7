#pragma once
// Zip archives as torch writes them: entries stored without compression, zip64 where large.
//
// LibTorch's own reader is built without the check of CRC-32, so damaged weights would pass.

#include <map>
#include <string>

#include "raw_file.hpp"

namespace m2mkd {

class ZipFile {
 public:
  struct Entry {
    std::int64_t header = 0, size = 0;  ///< where its local header begins; bytes
    std::uint32_t crc = 0;              ///< 0: its writer computed none
    bool stored = true;                 ///< not compressed, not encrypted
  };

  /// Reads the list of entries; `file` must outlive this. Throws Error with the reason.
  explicit ZipFile(const InFile& file);

  const std::map<std::string, Entry>& entries() const { return entries_; }
  /// The entry's data into `out`, `entry.size` bytes; its CRC-32 is checked.
  void read(const std::string& name, void* out) const;

 private:
  const InFile& file_;
  std::map<std::string, Entry> entries_;
};

}  // namespace m2mkd
