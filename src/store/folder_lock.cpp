#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <sstream>

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/stopwatch.hpp>
#include <m2mkd/store/table_file.hpp>

namespace m2mkd {
namespace {

/// Where the file system has no locks, a holder on another host is believed gone after this long
/// without refresh().
constexpr std::time_t kRecent = 600;

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "unknown";
}

/// What the holder wrote: "host pid time".
struct Holder {
  std::string host, since;
  long pid = 0;

  explicit Holder(int descriptor) {
    std::array<char, 512> text{};
    if (::pread(descriptor, text.data(), text.size() - 1, 0) > 0) {
      std::istringstream(text.data()) >> host >> pid >> since;
    }
  }
  std::string text() const {
    if (host.empty()) return "another program";
    return fmt::format("process {} on host {} since {}", pid, host, since);
  }
};

/// Judges by the text alone, for file systems without locks.
bool seems_held(int descriptor) {
  const Holder holder(descriptor);
  if (holder.host.empty() || holder.pid <= 0) return false;
  if (holder.host == host_name()) {
    return ::kill(static_cast<pid_t>(holder.pid), 0) == 0 || errno == EPERM;
  }
  struct stat status {};
  return ::fstat(descriptor, &status) == 0 && std::time(nullptr) - status.st_mtime < kRecent;
}

bool held(int descriptor) {
  while (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    return errno == EWOULDBLOCK || seems_held(descriptor);
  }
  return false;
}

}  // namespace

FolderLock::FolderLock(const std::filesystem::path& folder) : path_(folder / "lock") {
  std::error_code problem;
  std::filesystem::create_directories(folder, problem);
  if (problem) fail("cannot make folder '{}': {}", folder.string(), problem.message());
  descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail("cannot open lock '{}': {}", path_.string(), std::strerror(errno));
  if (held(descriptor_)) {
    const auto holder = Holder(descriptor_).text();
    ::close(descriptor_);
    fail(
        "'{}' is in use by {}; wait for it, stop it, or choose another --run.dir (if that program "
        "is "
        "surely gone, remove '{}')",
        folder.string(), holder, path_.string());
  }
  const auto text = fmt::format("{} {} {}\n", host_name(), ::getpid(), utc_time_text());
  if (::ftruncate(descriptor_, 0) != 0 ||
      ::pwrite(descriptor_, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    const std::string reason = std::strerror(errno);
    ::close(descriptor_);
    fail("cannot write lock '{}': {}", path_.string(), reason);
  }
}

void FolderLock::refresh() const {
  ::futimens(descriptor_, nullptr);
}

FolderLock::~FolderLock() {
  // Emptied, not removed: a second program may have the file open already and would lock a nameless
  // one.
  [[maybe_unused]] const int best_effort = ::ftruncate(descriptor_, 0);
  ::close(descriptor_);
}

}  // namespace m2mkd
