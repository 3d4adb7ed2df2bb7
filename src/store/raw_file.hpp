#pragma once
// Plain files of bytes: one that exists, and one in the making.

#include <cstdint>
#include <filesystem>

#include "atomic_file.hpp"

namespace m2mkd {

/// A regular file, open for reading. Failures are Errors with the reason alone; the caller names
/// the file.
class InFile {
 public:
  explicit InFile(const std::filesystem::path& path);
  ~InFile();
  InFile(const InFile&) = delete;
  InFile& operator=(const InFile&) = delete;

  std::int64_t size() const { return size_; }
  /// Exactly these bytes; throws Error where they lie outside the file.
  void read(std::int64_t offset, void* out, std::int64_t size) const;

 private:
  int descriptor_;
  std::int64_t size_ = 0;
};

/// Published under its name by finish(); without that it goes away.
class OutFile {
 public:
  explicit OutFile(const std::filesystem::path& target);
  ~OutFile();
  OutFile(const OutFile&) = delete;
  OutFile& operator=(const OutFile&) = delete;

  void write(const void* data, std::size_t size);
  void finish();
  [[noreturn]] void give_up(const std::string& reason) const { place_.give_up(reason); }

 private:
  AtomicFile place_;
  int descriptor_;
};

}  // namespace m2mkd
