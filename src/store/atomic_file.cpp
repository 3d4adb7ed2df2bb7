#include "atomic_file.hpp"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include <m2mkd/base/error.hpp>

namespace m2mkd {
namespace {

/// 0, or the error number. File systems that cannot sync a folder say EINVAL, which is no failure.
int sync(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return errno;
  const int problem = ::fsync(descriptor) != 0 && errno != EINVAL ? errno : 0;
  ::close(descriptor);
  return problem;
}

std::string advice(const std::string& reason, const std::filesystem::path& folder) {
  for (const int code : {ENOSPC, EDQUOT, EFBIG}) {
    if (reason.find(std::strerror(code)) == std::string::npos) continue;
    std::error_code ignored;
    const auto space = std::filesystem::space(folder, ignored);
    return fmt::format(" ({:.1f} MiB are free there); free space or set --run.dir elsewhere",
                       static_cast<double>(space.available) / (1 << 20));
  }
  for (const int code : {EACCES, EPERM, EROFS}) {
    if (reason.find(std::strerror(code)) == std::string::npos) continue;
    return "; make the folder writable or set --run.dir elsewhere";
  }
  return "";
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path target) : target_(std::move(target)) {
  temporary_ = target_;
  temporary_ += ".tmp." + std::to_string(::getpid());
  std::error_code problem;
  if (target_.has_parent_path()) {
    std::filesystem::create_directories(target_.parent_path(), problem);
  }
  if (problem) give_up(problem.message());
}

AtomicFile::~AtomicFile() {
  if (!published_) ::unlink(temporary_.c_str());
}

void AtomicFile::put_in_place() {
  if (const int problem = sync(temporary_)) give_up(std::strerror(problem));
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) give_up(std::strerror(errno));
  published_ = true;
  const auto folder = target_.has_parent_path() ? target_.parent_path() : ".";
  if (const int problem = sync(folder)) give_up(std::strerror(problem));
}

void AtomicFile::give_up(const std::string& reason) const {
  const auto folder = target_.has_parent_path() ? target_.parent_path() : ".";
  fail("cannot write '{}': {}{}", target_.string(), reason, advice(reason, folder));
}

}  // namespace m2mkd
