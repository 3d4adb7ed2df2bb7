// Loaded before the C library (LD_PRELOAD): sees every rename, fsync, removal and new folder below
// M2MKD_EVENTS_UNDER, whoever asks for it. Appends them to M2MKD_EVENTS_LOG, one "what path" a
// line, and kills the process before the one with number M2MKD_DIE_AT (from 1).

#include <algorithm>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

/// Where a descriptor leads.
std::string path_of(int descriptor) {
  char path[PATH_MAX];
  const auto length =
      ::readlink(("/proc/self/fd/" + std::to_string(descriptor)).c_str(), path, sizeof path);
  return length > 0 ? std::string(path, static_cast<std::size_t>(length)) : "";
}

std::string absolute(const std::string& path, int folder = AT_FDCWD) {
  if (path.starts_with("/")) return path;
  char cwd[PATH_MAX];
  const std::string base =
      folder == AT_FDCWD ? (::getcwd(cwd, sizeof cwd) != nullptr ? cwd : "") : path_of(folder);
  return base + "/" + path;
}

/// One event, before it happens.
void see(const std::string& what, const std::string& path) {
  static std::mutex mutex;
  static const std::string under = variable("M2MKD_EVENTS_UNDER"),
                           log = variable("M2MKD_EVENTS_LOG");
  static const int die_at = std::atoi(variable("M2MKD_DIE_AT").c_str());
  static int count = 0;
  const bool inside = path == under || path.starts_with(under + "/");
  if (under.empty() || !inside) return;
  const std::lock_guard guard(mutex);
  if (++count == die_at) ::kill(::getpid(), SIGKILL);
  if (log.empty()) return;
  const std::string line = what + " " + path.substr(std::min(path.size(), under.size() + 1)) + "\n";
  const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  [[maybe_unused]] const auto written = ::write(out, line.data(), line.size());
  ::close(out);
}

template <class F>
F* next(const char* name) {
  return reinterpret_cast<F*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

int rename(const char* from, const char* to) noexcept {
  see("rename", absolute(to));
  return next<int(const char*, const char*)>("rename")(from, to);
}
int fsync(int descriptor) {
  see("fsync", path_of(descriptor));
  return next<int(int)>("fsync")(descriptor);
}
int unlink(const char* path) noexcept {
  see("unlink", absolute(path));
  return next<int(const char*)>("unlink")(path);
}
int remove(const char* path) noexcept {
  see("unlink", absolute(path));
  return next<int(const char*)>("remove")(path);
}
int unlinkat(int folder, const char* path, int flags) noexcept {
  see("unlink", absolute(path, folder));
  return next<int(int, const char*, int)>("unlinkat")(folder, path, flags);
}
int mkdir(const char* path, mode_t mode) noexcept {
  see("mkdir", absolute(path));
  return next<int(const char*, mode_t)>("mkdir")(path, mode);
}

}  // extern "C"
