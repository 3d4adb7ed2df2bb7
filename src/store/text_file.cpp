#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/store/text_file.hpp>

#include "atomic_file.hpp"

namespace m2mkd {
namespace {

/// 0, or the error number.
int write_all(int descriptor, const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const auto count = ::write(descriptor, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    done += static_cast<std::size_t>(count);
  }
  return 0;
}

}  // namespace

void write_text_file(const std::filesystem::path& path, const std::string& text) {
  AtomicFile out(path);
  const int descriptor =
      ::open(out.temporary().c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) out.give_up(std::strerror(errno));
  int problem = write_all(descriptor, text);
  // Some file systems report a full disk only here.
  if (::close(descriptor) != 0 && problem == 0) problem = errno;
  if (problem != 0) out.give_up(std::strerror(problem));
  out.put_in_place();
}

std::string read_text_file(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) fail("cannot read '{}': {}", path.string(), std::strerror(errno));
  std::string text;
  char block[1 << 16];
  ssize_t count = 0;
  while ((count = ::read(descriptor, block, sizeof block)) != 0) {
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) break;
    text.append(block, static_cast<std::size_t>(count));
  }
  const int problem = count < 0 ? errno : 0;
  ::close(descriptor);
  if (problem != 0) fail("cannot read '{}': {}", path.string(), std::strerror(problem));
  return text;
}

}  // namespace m2mkd
