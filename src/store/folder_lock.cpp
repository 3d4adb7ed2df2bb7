#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/host.hpp>
#include <m2mkd/base/stopwatch.hpp>
#include <m2mkd/store/folder_lock.hpp>

namespace m2mkd {
namespace {

namespace fs = std::filesystem;

/// Process ids mean the same within one boot and one process namespace.
std::string kernel_name() {
  std::string boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  std::error_code absent;
  const auto space = fs::read_symlink("/proc/self/ns/pid", absent).string();
  return (boot.empty() ? "unknown" : boot) + "/" + (absent ? "unknown" : space);
}

/// When a process began, in the kernel's ticks; empty where that is not told. Ids are used again.
std::string start_of(long pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  std::string text, word;
  std::getline(in, text);
  const auto name_end = text.rfind(')');  // the name before it may hold anything
  if (name_end == std::string::npos) return "";
  std::istringstream fields(text.substr(name_end + 1));
  for (int field = 3; field <= 22; ++field)
    if (!(fields >> word)) return "";
  return word;
}

std::string read_text(int descriptor) {
  std::array<char, 1024> text{};
  return ::pread(descriptor, text.data(), text.size() - 1, 0) > 0 ? text.data() : "";
}

/// What the holder wrote.
struct Holder {
  std::string host, since, kernel, start;
  long pid = 0;

  explicit Holder(const std::string& text) {
    std::istringstream(text) >> host >> pid >> since >> kernel >> start;
  }
  /// Do process ids of the holder mean something here?
  bool here() const { return host == host_name() && (kernel.empty() || kernel == kernel_name()); }
  bool lives() const {
    if (::kill(static_cast<pid_t>(pid), 0) != 0 && errno != EPERM) return false;
    return start.empty() || start == start_of(pid);
  }
  std::string text() const {
    if (host.empty()) return "another program";
    return fmt::format("process {} on host {} since {}", pid, host, since);
  }
};

/// Judges by the text alone, for file systems without locks.
bool seems_held(int descriptor, const LockRules& rules) {
  const Holder holder(read_text(descriptor));
  if (holder.host.empty()) return false;
  if (holder.here()) return holder.lives();
  struct stat status {};
  return ::fstat(descriptor, &status) == 0 &&
         std::time(nullptr) - status.st_mtime < rules.recent.count();
}

/// Takes the file system's lock. `by_text` tells that there is none, so that the text decides.
bool held(int descriptor, const LockRules& rules, bool& by_text) {
  by_text = !rules.flock;
  while (!by_text && ::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno == EWOULDBLOCK) return true;
    by_text = true;
  }
  return by_text && seems_held(descriptor, rules);
}

bool write_text(int descriptor, const std::string& text) {
  return ::ftruncate(descriptor, 0) == 0 &&
         ::pwrite(descriptor, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
}

/// Closes the file unless all goes well.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  operator int() const { return value_; }
  int release() { return std::exchange(value_, -1); }

 private:
  int value_;
};

}  // namespace

LockHolder lock_holder(const fs::path& lock) {
  if (!fs::exists(lock)) return {};
  const Descriptor file(::open(lock.c_str(), O_RDONLY | O_CLOEXEC));
  if (file < 0) fail("cannot open lock '{}': {}", lock.string(), std::strerror(errno));
  const Holder holder(read_text(file));
  if (holder.host.empty()) return {};
  return {holder.text(), !seems_held(file, {})};
}

FolderLock::FolderLock(const fs::path& folder, LockRules rules)
    : path_(folder / "lock"), rules_(std::move(rules)) {
  std::error_code problem;
  fs::create_directories(folder, problem);
  if (problem) fail("cannot make folder '{}': {}", folder.string(), problem.message());
  Descriptor file(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (file < 0) fail("cannot open lock '{}': {}", path_.string(), std::strerror(errno));
  if (const auto found = read_text(file); !found.empty() && Holder(found).pid <= 0)
    throw Error(
        fmt::format("'{}' is no lock of this program: choose another --run.dir", path_.string()),
        ExitCode::usage);
  const auto refuse = [&] {
    fail(
        "'{}' is in use by {}; wait for it, stop it, or choose another --run.dir (if that program "
        "is surely gone, remove '{}')",
        folder.string(), Holder(read_text(file)).text(), path_.string());
  };
  bool by_text = false;
  if (held(file, rules_, by_text)) refuse();
  text_ = fmt::format("{} {} {} {} {}\n", host_name(), ::getpid(), utc_time_text(), kernel_name(),
                      start_of(::getpid()));
  if (!write_text(file, text_))
    fail("cannot write lock '{}': {}", path_.string(), std::strerror(errno));
  if (by_text) {  // two may have found it free: the later writer keeps it
    std::this_thread::sleep_for(rules_.settle);
    if (read_text(file) != text_) refuse();
  }
  descriptor_ = file.release();
  keeper_ = std::jthread([this](const std::stop_token& stop) { keep(stop); });
}

/// Is the file still the one under its name, with this holder's text?
bool FolderLock::mine() const {
  struct stat open {
  }, named{};
  return ::fstat(descriptor_, &open) == 0 && ::stat(path_.c_str(), &named) == 0 &&
         open.st_ino == named.st_ino && open.st_dev == named.st_dev &&
         read_text(descriptor_) == text_;
}

void FolderLock::keep(const std::stop_token& stop) {
  std::unique_lock guard(mutex_);
  while (!stop.stop_requested()) {
    wake_.wait_for(guard, stop, rules_.refresh, [] { return false; });
    if (stop.stop_requested()) return;
    if (!mine()) {
      if (rules_.lost)
        rules_.lost(fmt::format(
            "'{}' was removed or taken by another program: this one ends, so that two never work "
            "in one folder",
            path_.string()));
      return;
    }
    ::futimens(descriptor_, nullptr);
  }
}

FolderLock::~FolderLock() {
  keeper_ = {};
  // Emptied, not removed: a second program may have the file open already and would lock a nameless
  // one.
  if (mine()) [[maybe_unused]]
    const int best_effort = ::ftruncate(descriptor_, 0);
  ::close(descriptor_);
}

}  // namespace m2mkd
