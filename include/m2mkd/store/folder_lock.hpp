#pragma once
// One program at a time in a run directory.

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace m2mkd {

struct LockRules {
  bool flock = true;  ///< false: judge by the text alone, as where the file system has no locks
  std::chrono::milliseconds refresh{30'000};  ///< how often a holder touches its file
  std::chrono::seconds recent{600};         ///< a holder elsewhere that did not for so long is gone
  std::chrono::milliseconds settle{1'000};  ///< time for a second writer of the text to show up
  /// Called once, from another thread, when the file is no longer this holder's: it was removed, or
  /// taken over while this program was suspended. Nothing may be written from then on.
  std::function<void(const std::string& message)> lost{};
};

/// Who works in a folder, as its lock file tells; for who looks on.
struct LockHolder {
  std::string text;   ///< "process 12 on host a since ..."; empty: nobody
  bool gone = false;  ///< its process has ended, or its host is silent for `recent`
};
/// `lock`: the file, which may be absent. Throws Error where it cannot be read.
LockHolder lock_holder(const std::filesystem::path& lock);

/// An exclusive lock on a run directory against a second program: `<folder>/lock`, holding
/// "host pid time kernel start" of its holder; released on destruction, or by the system when the
/// program ends in any way. Throws Error that names the holder; does not wait for it.
///
/// It is a flock, which NFS and Lustre (mounted with `flock`) share between hosts. Where the file
/// system has no locks the text decides: on the same host (and boot, and process namespace) held
/// while that very process lives, elsewhere while the file was touched recently, which the holder's
/// thread does.
class FolderLock {
 public:
  explicit FolderLock(const std::filesystem::path& folder, LockRules rules = {});
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  bool mine() const;
  void keep(const std::stop_token& stop);

  std::filesystem::path path_;
  LockRules rules_;
  std::string text_;
  int descriptor_ = -1;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread keeper_;  ///< last: ends before what it uses
};

}  // namespace m2mkd
