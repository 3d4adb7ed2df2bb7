#include <algorithm>
#include <bit>
#include <set>

#include <m2mkd/base/error.hpp>
#include <m2mkd/store/safetensors.hpp>

#include "raw_file.hpp"
#include "safetensors_header.hpp"

namespace m2mkd {
namespace {

static_assert(std::endian::native == std::endian::little,
              "data are read and written as they lie in memory");

constexpr std::int64_t kLengthBytes = 8;

at::Tensor read_tensor(const InFile& file, std::int64_t data_start, const SafetensorsEntry& entry) {
  auto tensor = at::empty(entry.shape, at::TensorOptions().dtype(entry.type));
  const auto size = entry.end - entry.begin;
  if (size == 0) return tensor;
  auto* bytes = static_cast<unsigned char*>(tensor.data_ptr());
  file.read(data_start + entry.begin, bytes, size);
  // Any other byte in a bool is undefined behaviour for everyone who reads it.
  if (entry.type == at::kBool && std::any_of(bytes, bytes + size, [](auto b) { return b > 1; }))
    fail("tensor '{}': a BOOL is neither 0 nor 1", entry.name);
  return tensor;
}

SafetensorsFile read_open(const InFile& file) {
  const auto size = file.size();
  if (size < kLengthBytes) fail("it is not a .safetensors file ({} bytes)", size);
  std::uint64_t length = 0;
  file.read(0, &length, kLengthBytes);
  if (length > static_cast<std::uint64_t>(SafetensorsHeader::kLargest))
    fail(
        "it is not a .safetensors file: its first 8 bytes announce a header of {} bytes, {} are "
        "the most",
        length, SafetensorsHeader::kLargest);
  const auto data_start = kLengthBytes + static_cast<std::int64_t>(length);
  if (data_start > size)
    fail("it announces a header of {} bytes and has {} bytes in all (truncated?)", length, size);
  std::string text(length, '\0');
  file.read(kLengthBytes, text.data(), static_cast<std::int64_t>(length));
  auto header = SafetensorsHeader::parse(text, size - data_start);
  SafetensorsFile contents{std::move(header.metadata), {}};
  for (const auto& entry : header.entries)
    contents.tensors.emplace_back(entry.name, read_tensor(file, data_start, entry));
  return contents;
}

void require_flat_names(const NamedTensors& tensors) {
  std::set<std::string> names;
  for (const auto& [name, tensor] : tensors) {
    require(name != "__metadata__" && names.insert(name).second,
            "tensor name '" + name + "' is used once and is not __metadata__");
    require(tensor.defined(), "tensor '" + name + "' is defined");
  }
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, const SafetensorsFile& contents) {
  require_flat_names(contents.tensors);
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
  OutFile out(path);
  std::string text;
  try {
    text = header.text();
    if (static_cast<std::int64_t>(text.size()) > SafetensorsHeader::kLargest)
      fail("names and metadata take {} bytes, {} are the most", text.size(),
           SafetensorsHeader::kLargest);
  } catch (const Error& problem) {
    out.give_up(problem.what());
  }
  const std::uint64_t length = text.size();
  out.write(&length, kLengthBytes);
  out.write(text.data(), text.size());
  for (const auto& [name, tensor] : tensors) {
    const auto data = tensor.detach().to(at::kCPU).contiguous();
    if (data.numel() > 0) out.write(data.data_ptr(), data.nbytes());
  }
  out.finish();
}

SafetensorsFile read_safetensors(const std::filesystem::path& path) {
  try {
    return read_open(InFile(path));
  } catch (const Error& problem) {
    fail("cannot read '{}': {}", path.string(), problem.what());
  }
}

}  // namespace m2mkd
