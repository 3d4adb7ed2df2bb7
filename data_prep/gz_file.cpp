#include "gz_file.hpp"

#include <cerrno>
#include <cstring>

#include <zlib.h>

#include <m2mkd/base/error.hpp>

namespace m2mkd::pack {

GzFile::GzFile(std::filesystem::path path) : path_(std::move(path)) {
  errno = 0;
  file_ = gzopen(path_.c_str(), "rb");
  if (!file_) fail("{}: cannot be opened: {}", path_.string(), std::strerror(errno));
  gzbuffer(static_cast<gzFile>(file_), 1 << 18);
}

GzFile::~GzFile() {
  gzclose(static_cast<gzFile>(file_));
}

void GzFile::refuse(const char* what) {
  int code = Z_OK;
  const char* text = gzerror(static_cast<gzFile>(file_), &code);
  const std::string reason = code == Z_ERRNO ? std::strerror(errno)
                             : code == Z_OK  ? what
                                             : std::string(what) + " (" + text + ")";
  fail("{}: {}: the file is truncated or damaged; fetch it again", path_.string(), reason);
}

void GzFile::read(std::span<std::byte> out) {
  while (!out.empty()) {
    const auto part = static_cast<unsigned>(std::min<std::size_t>(out.size(), 1u << 30));
    const int got = gzread(static_cast<gzFile>(file_), out.data(), part);
    if (got <= 0) refuse(got < 0 ? "cannot be read" : "ends too early");
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

void GzFile::expect_end() {
  std::byte more;
  const int got = gzread(static_cast<gzFile>(file_), &more, 1);
  if (got > 0) refuse("holds more data than its header announces");
  int code = Z_OK;
  gzerror(static_cast<gzFile>(file_), &code);
  if (got < 0 || code != Z_OK) refuse("ends too early");
}

}  // namespace m2mkd::pack
