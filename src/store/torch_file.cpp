#include <algorithm>
#include <ranges>

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/store/torch_file.hpp>

#include "torch_container.hpp"

namespace m2mkd {
namespace {

// Tensors that are no plain part of a storage (transposed, expanded) are copied, and an expanded
// one may be far larger than the file.
constexpr std::int64_t kMostCopied = std::int64_t{1} << 30;

struct Describe {
  std::string operator()(std::monostate) const { return "None"; }
  std::string operator()(bool) const { return "a truth value"; }
  std::string operator()(std::int64_t) const { return "an integer"; }
  std::string operator()(double) const { return "a number"; }
  std::string operator()(const std::string&) const { return "a text"; }
  std::string operator()(const TorchValue::List& list) const {
    return fmt::format("a list of {}", list.size());
  }
  std::string operator()(const TorchValue::Dict& dict) const {
    return fmt::format("a dictionary of {}", dict.size());
  }
  std::string operator()(const StoredNumbers&) const { return "a storage"; }
  std::string operator()(const StoredTensor& tensor) const {
    return fmt::format("a tensor of shape ({})", fmt::join(tensor.sizes, ", "));
  }
  std::string operator()(const TorchValue::Opaque& opaque) const { return opaque.type; }
};

}  // namespace

const TorchValue* TorchValue::find(std::string_view key) const {
  const auto* dict = as<Dict>();
  if (dict == nullptr) return nullptr;
  for (const auto& [name, value] : std::views::reverse(*dict))
    if (const auto* text = name->as<std::string>(); text != nullptr && *text == key) return value;
  return nullptr;
}

std::string TorchValue::describe() const {
  return std::visit(Describe{}, data);
}

TorchFile::TorchFile(const std::filesystem::path& path) : path_(path) {
  try {
    container_ = open_torch_container(path);
    root_ = container_->root(values_);
  } catch (const Error& problem) {
    fail("cannot read '{}': {}", path.string(), problem.what());
  }
}

TorchFile::~TorchFile() = default;

at::Tensor TorchFile::storage(const StoredNumbers& wanted) const {
  auto& bytes = storages_[wanted.key];
  if (!bytes.defined()) {
    const auto size = container_->bytes(wanted.key);
    auto read = at::empty({size}, at::kByte);
    container_->read(wanted.key, read.mutable_data_ptr());
    bytes = read;
  }
  const auto element = static_cast<std::int64_t>(c10::elementSize(wanted.type));
  if (bytes.numel() != wanted.elements * element)
    fail("storage '{}' has {} bytes where {} elements of {} bytes were announced", wanted.key,
         bytes.numel(), wanted.elements, element);
  if (wanted.type == at::kBool) {
    const auto* first = bytes.const_data_ptr<std::uint8_t>();
    // Any other byte in a bool is undefined behaviour for everyone who reads it.
    if (std::any_of(first, first + bytes.numel(), [](auto b) { return b > 1; }))
      fail("storage '{}': a truth value is neither 0 nor 1", wanted.key);
  }
  return bytes.view(wanted.type);
}

std::string TorchFile::note() const {
  try {
    return container_->note();
  } catch (const Error& problem) {
    fail("cannot read '{}': {}", path_.string(), problem.what());
  }
}

at::Tensor TorchFile::read(const StoredTensor& tensor) const {
  try {
    if (std::ranges::count(tensor.sizes, 0) > 0)
      return at::empty(tensor.sizes, at::dtype(tensor.storage.type));
    const auto view =
        storage(tensor.storage).as_strided(tensor.sizes, tensor.strides, tensor.offset);
    if (view.is_contiguous()) return view;
    copied_ += static_cast<std::int64_t>(view.nbytes());
    if (view.numel() > tensor.storage.elements && copied_ > kMostCopied)
      fail("its tensors are expanded to more than {} bytes", kMostCopied);
    return view.contiguous();
  } catch (const Error& problem) {
    fail("cannot read '{}': {}", path_.string(), problem.what());
  }
}

}  // namespace m2mkd
