#include "seal.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <m2mkd/store/digest.hpp>

#include "h5.hpp"

namespace m2mkd::h5 {
namespace {

constexpr std::string_view kSealMagic = "m2mkdsum";
constexpr std::size_t kSealBytes = 24;

struct Extent {
  std::uint64_t begin, end;
};

/// Where data with digests of their own lie, in file order.
void collect(hid_t group, int depth, std::vector<Extent>& extents) {
  if (depth > kDeepest) fail("groups are nested more than {} deep", kDeepest);
  for_each_child(group, [&](const std::string&, hid_t object, bool is_group) {
    if (is_group) return collect(object, depth + 1, extents);
    if (must(H5Aexists(object, kDataDigest), "look for a digest") == 0) return;
    const haddr_t begin = H5Dget_offset(object);
    if (begin != HADDR_UNDEF) extents.push_back({begin, begin + H5Dget_storage_size(object)});
  });
}

std::vector<Extent> covered(hid_t file) {
  std::vector<Extent> extents;
  collect(file, 0, extents);
  std::sort(extents.begin(), extents.end(),
            [](const Extent& a, const Extent& b) { return a.begin < b.begin; });
  return extents;
}

void read_at(int descriptor, char* out, std::size_t size, std::uint64_t place) {
  while (size > 0) {
    const auto count = ::pread(descriptor, out, size, static_cast<off_t>(place));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) fail("{}", count < 0 ? std::strerror(errno) : "the file ends early");
    out += count, place += static_cast<std::uint64_t>(count),
        size -= static_cast<std::size_t>(count);
  }
}

/// XXH3 of the first `size` bytes without the extents.
std::string rest_digest(int descriptor, std::uint64_t size, std::vector<Extent> extents) {
  extents.push_back({size, size});
  Digest digest;
  std::vector<char> block(1 << 18);
  std::uint64_t place = 0;
  for (const auto& extent : extents) {
    while (place < std::min(extent.begin, size)) {
      const auto part = std::min<std::uint64_t>(block.size(), std::min(extent.begin, size) - place);
      read_at(descriptor, block.data(), part, place);
      digest.add(block.data(), part);
      place += part;
    }
    place = std::max(place, extent.end);
  }
  return digest.hex();
}

std::uint64_t size_of(int descriptor) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) fail("{}", std::strerror(errno));
  return static_cast<std::uint64_t>(status.st_size);
}

}  // namespace

int descriptor_of(hid_t file) {
  void* handle = nullptr;
  must(H5Fget_vfd_handle(file, H5P_DEFAULT, &handle), "file descriptor");
  return *static_cast<int*>(handle);
}

void seal(const std::filesystem::path& path) {
  std::string text(kSealMagic);
  std::uint64_t size = 0;
  {
    File file = open(path);
    size = size_of(descriptor_of(file));
    text += rest_digest(descriptor_of(file), size, covered(file));
  }
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (descriptor < 0) fail("{}", std::strerror(errno));
  const auto count = ::pwrite(descriptor, text.data(), text.size(), static_cast<off_t>(size));
  const int problem = count == static_cast<ssize_t>(kSealBytes) ? 0 : count < 0 ? errno : ENOSPC;
  ::close(descriptor);
  if (problem != 0) fail("{}", std::strerror(problem));
}

void check_seal(hid_t file) {
  const int descriptor = descriptor_of(file);
  const auto size = size_of(descriptor);
  if (size < kSealBytes) return;
  std::string text(kSealBytes, '\0');
  read_at(descriptor, text.data(), kSealBytes, size - kSealBytes);
  if (text.rfind(kSealMagic, 0) != 0) return;
  if (kSealMagic.data() + rest_digest(descriptor, size - kSealBytes, covered(file)) == text) return;
  fail(
      "it is damaged: the checksum at its end does not match its attributes and structure; restore "
      "it "
      "from a copy, or remove it so that it is made again");
}

}  // namespace m2mkd::h5
