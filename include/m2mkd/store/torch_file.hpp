#pragma once
// torch's own files (.pth, .pt): a tree of values as Python's pickle, and the data of tensors.
//
// Both containers are read: the zip archive of torch 1.6 and later, and the one before. Such files
// come from anywhere: nothing in them is executed or believed. The pickle is walked through by a
// machine of this program that knows the instructions and the few names that files of weights need
// (src/store/pickle.hpp); anything else is refused by name.

#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <m2mkd/store/tensor_file.hpp>

namespace m2mkd {

/// A storage that a file speaks of: `elements` numbers of one type, found under `key`.
struct StoredNumbers {
  at::ScalarType type{};
  std::string key;
  std::int64_t elements = 0;
};

/// A tensor as it stands in the file: a view of a storage, checked to lie inside it. Offset and
/// strides in elements.
struct StoredTensor {
  StoredNumbers storage;
  std::int64_t offset = 0;
  std::vector<std::int64_t> sizes, strides;
};

/// One value of a file. Values may be shared, and a damaged file may even nest one in itself, so
/// follow them only as deep as you know the file.
struct TorchValue {
  using List = std::vector<TorchValue*>;                          ///< also tuples and sets
  using Dict = std::vector<std::pair<TorchValue*, TorchValue*>>;  ///< in order
  /// Named, not looked into: "argparse.Namespace", "torch.float16", "bytes", "int" (beyond 64 bits)
  struct Opaque {
    std::string type;
  };
  std::variant<std::monostate, bool, std::int64_t, double, std::string, List, Dict, StoredNumbers,
               StoredTensor, Opaque>
      data;

  /// Null where the value is of another type.
  template <class T>
  const T* as() const {
    return std::get_if<T>(&data);
  }
  /// The entry of a dictionary under a text; of two the later one, as in Python. Null where there
  /// is none.
  const TorchValue* find(std::string_view key) const;
  /// "a list of 3", "a tensor", ... for messages.
  std::string describe() const;
};

class TorchContainer;

class TorchFile {
 public:
  /// Reads everything but the tensors' data. Throws Error with the reason: missing, truncated,
  /// damaged, of another kind, or holding what weights do not need (named).
  explicit TorchFile(const std::filesystem::path& path);
  ~TorchFile();

  /// What was given to torch.save.
  const TorchValue& root() const { return *root_; }
  /// Reads a tensor's data: CPU, contiguous. Tensors that share a storage share memory. In a zip
  /// archive the data's CRC-32 is checked. Throws Error.
  at::Tensor read(const StoredTensor& tensor) const;
  /// What write_torch_file() was given as `note`; empty where there is none.
  std::string note() const;

 private:
  at::Tensor storage(const StoredNumbers& wanted) const;

  std::filesystem::path path_;
  std::unique_ptr<TorchContainer> container_;
  std::deque<TorchValue> values_;
  const TorchValue* root_ = nullptr;
  mutable std::map<std::string, at::Tensor> storages_;  ///< bytes by key
  mutable std::int64_t copied_ = 0;  ///< bytes of tensors that are no plain part of a storage
};

/// A zip archive that `torch.load(weights_only=True)` reads as an OrderedDict of these tensors, or
/// as one whose entry `inside` is that. `note` becomes an entry of the archive, m2mkd.json, that
/// torch leaves alone.
/// Written whole or not at all, as write_tensor_file does; each tensor gets a storage of its own.
void write_torch_file(const std::filesystem::path& path, const NamedTensors& tensors,
                      const std::string& inside = "", const std::string& note = "");

}  // namespace m2mkd
