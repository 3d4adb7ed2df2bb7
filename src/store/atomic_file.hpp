#pragma once
// A file that appears under its name whole or not at all.

#include <filesystem>
#include <string>

namespace m2mkd {

/// Write to `temporary()`, close it, then `publish()`. Without that the temporary file is removed
/// and the target untouched.
class AtomicFile {
 public:
  /// Makes the target's folder where missing.
  explicit AtomicFile(std::filesystem::path target);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  const std::filesystem::path& target() const { return target_; }
  /// `<target>.tmp.<pid>`, in the same folder so that renaming is atomic.
  const std::filesystem::path& temporary() const { return temporary_; }
  /// fsync, rename, fsync of the folder.
  void put_in_place();
  /// Throws "cannot write '<target>': <reason>" with what to try.
  [[noreturn]] void give_up(const std::string& reason) const;

 private:
  std::filesystem::path target_, temporary_;
  bool published_ = false;
};

}  // namespace m2mkd
