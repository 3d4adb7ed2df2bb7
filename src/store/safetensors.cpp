#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <set>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/store/safetensors.hpp>

#include "publication.hpp"
#include "safetensors_header.hpp"

namespace m2mkd {
namespace {

static_assert(std::endian::native == std::endian::little,
              "data are read and written as they lie in memory");

constexpr std::int64_t kLengthBytes = 8;

/// An open file that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  ~Descriptor() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  operator int() const { return descriptor_; }
  /// 0, or the error number: some file systems report a full disk only here.
  int close() { return ::close(std::exchange(descriptor_, -1)) == 0 ? 0 : errno; }

 private:
  int descriptor_;
};

std::int64_t file_size(int descriptor) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) fail("{}", std::strerror(errno));
  if (!S_ISREG(status.st_mode)) fail("it is no regular file");
  return status.st_size;
}

void read_bytes(int descriptor, std::int64_t offset, void* out, std::int64_t size) {
  for (std::int64_t done = 0; done < size;) {
    const auto count = ::pread(descriptor, static_cast<char*>(out) + done,
                               static_cast<std::size_t>(size - done), offset + done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("{}", std::strerror(errno));
    if (count == 0) fail("it became shorter while it was read");
    done += count;
  }
}

void write_bytes(const Publication& out, int descriptor, const void* data, std::size_t size) {
  for (std::size_t done = 0; done < size;) {
    const auto count = ::write(descriptor, static_cast<const char*>(data) + done, size - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) out.give_up(std::strerror(errno));
    done += static_cast<std::size_t>(count);
  }
}

at::Tensor read_tensor(int descriptor, std::int64_t data_start, const SafetensorsEntry& entry) {
  auto tensor = at::empty(entry.shape, at::TensorOptions().dtype(entry.type));
  const auto size = entry.end - entry.begin;
  if (size == 0) return tensor;
  auto* bytes = static_cast<unsigned char*>(tensor.data_ptr());
  read_bytes(descriptor, data_start + entry.begin, bytes, size);
  // Any other byte in a bool is undefined behaviour for everyone who reads it.
  if (entry.type == at::kBool && std::any_of(bytes, bytes + size, [](auto b) { return b > 1; }))
    fail("tensor '{}': a BOOL is neither 0 nor 1", entry.name);
  return tensor;
}

SafetensorsFile read_open(int descriptor) {
  const auto size = file_size(descriptor);
  if (size < kLengthBytes) fail("it is not a .safetensors file ({} bytes)", size);
  std::uint64_t length = 0;
  read_bytes(descriptor, 0, &length, kLengthBytes);
  if (length > static_cast<std::uint64_t>(SafetensorsHeader::kLargest))
    fail(
        "it is not a .safetensors file: its first 8 bytes announce a header of {} bytes, {} are "
        "the most",
        length, SafetensorsHeader::kLargest);
  const auto data_start = kLengthBytes + static_cast<std::int64_t>(length);
  if (data_start > size)
    fail("it announces a header of {} bytes and has {} bytes in all (truncated?)", length, size);
  std::string text(length, '\0');
  read_bytes(descriptor, kLengthBytes, text.data(), static_cast<std::int64_t>(length));
  auto header = SafetensorsHeader::parse(text, size - data_start);
  SafetensorsFile contents{std::move(header.metadata), {}};
  for (const auto& entry : header.entries)
    contents.tensors.emplace_back(entry.name, read_tensor(descriptor, data_start, entry));
  return contents;
}

void require_names(const NamedTensors& tensors) {
  std::set<std::string> names;
  for (const auto& [name, tensor] : tensors) {
    require(name != "__metadata__" && names.insert(name).second,
            "tensor name '" + name + "' is used once and is not __metadata__");
    require(tensor.defined(), "tensor '" + name + "' is defined");
  }
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, const SafetensorsFile& contents) {
  require_names(contents.tensors);
  // Large elements first, so that each tensor is aligned to its own element.
  auto tensors = contents.tensors;
  std::ranges::stable_sort(tensors, std::ranges::greater{},
                           [](const auto& tensor) { return tensor.second.element_size(); });
  SafetensorsHeader header{contents.metadata, {}};
  std::int64_t end = 0;
  for (const auto& [name, tensor] : tensors) {
    const auto begin = std::exchange(end, end + static_cast<std::int64_t>(tensor.nbytes()));
    header.entries.push_back({name, tensor.scalar_type(), tensor.sizes().vec(), begin, end});
  }
  Publication out(path);
  std::string text;
  try {
    text = header.text();
    if (static_cast<std::int64_t>(text.size()) > SafetensorsHeader::kLargest)
      fail("names and metadata take {} bytes, {} are the most", text.size(),
           SafetensorsHeader::kLargest);
  } catch (const Error& problem) {
    out.give_up(problem.what());
  }
  Descriptor file(::open(out.temporary().c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (file < 0) out.give_up(std::strerror(errno));
  const std::uint64_t length = text.size();
  write_bytes(out, file, &length, kLengthBytes);
  write_bytes(out, file, text.data(), text.size());
  for (const auto& [name, tensor] : tensors) {
    const auto data = tensor.detach().to(at::kCPU).contiguous();
    if (data.numel() > 0) write_bytes(out, file, data.data_ptr(), data.nbytes());
  }
  if (const int problem = file.close()) out.give_up(std::strerror(problem));
  out.publish();
}

SafetensorsFile read_safetensors(const std::filesystem::path& path) {
  try {
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file < 0) fail("{}", std::strerror(errno));
    return read_open(file);
  } catch (const Error& problem) {
    fail("cannot read '{}': {}", path.string(), problem.what());
  }
}

}  // namespace m2mkd
