#pragma once
// A gzip or plain file, read from the front.

#include <cstddef>
#include <filesystem>
#include <span>

namespace m2mkd::pack {

class GzFile {
 public:
  explicit GzFile(std::filesystem::path path);
  ~GzFile();
  GzFile(const GzFile&) = delete;
  GzFile& operator=(const GzFile&) = delete;

  /// Fills `out` whole. Throws Error when the file ends before, or is damaged.
  void read(std::span<std::byte> out);
  /// Throws Error unless the file ends here, with a correct checksum.
  void expect_end();

 private:
  [[noreturn]] void refuse(const char* what);
  std::filesystem::path path_;
  void* file_;  ///< zlib's gzFile
};

}  // namespace m2mkd::pack
