#include "raw_file.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <m2mkd/base/error.hpp>

namespace m2mkd {

InFile::InFile(const std::filesystem::path& path)
    : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  if (descriptor_ < 0) fail("{}", std::strerror(errno));
  struct stat status {};
  const int problem = ::fstat(descriptor_, &status) != 0 ? errno : 0;
  if (problem == 0 && S_ISREG(status.st_mode)) {
    size_ = status.st_size;
    return;
  }
  ::close(descriptor_);
  fail("{}", problem != 0 ? std::strerror(problem) : "it is no regular file");
}

InFile::~InFile() {
  ::close(descriptor_);
}

void InFile::read(std::int64_t offset, void* out, std::int64_t size) const {
  if (offset < 0 || size < 0 || offset > size_ || size > size_ - offset)
    fail("{} bytes at byte {} lie outside its {} bytes (truncated?)", size, offset, size_);
  for (std::int64_t done = 0; done < size;) {
    const auto count = ::pread(descriptor_, static_cast<char*>(out) + done,
                               static_cast<std::size_t>(size - done), offset + done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("{}", std::strerror(errno));
    if (count == 0) fail("it became shorter while it was read");
    done += count;
  }
}

OutFile::OutFile(const std::filesystem::path& target)
    : place_(target),
      descriptor_(
          ::open(place_.temporary().c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) {
  if (descriptor_ < 0) give_up(std::strerror(errno));
}

OutFile::~OutFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void OutFile::write(const void* data, std::size_t size) {
  for (std::size_t done = 0; done < size;) {
    const auto count = ::write(descriptor_, static_cast<const char*>(data) + done, size - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) give_up(std::strerror(errno));
    done += static_cast<std::size_t>(count);
  }
}

void OutFile::finish() {
  // Some file systems report a full disk only here.
  if (::close(std::exchange(descriptor_, -1)) != 0) give_up(std::strerror(errno));
  place_.put_in_place();
}

}  // namespace m2mkd
