#pragma once
// How torch packs a pickle and the storages that it speaks of into one file.

#include <memory>

#include "pickle.hpp"
#include "raw_file.hpp"

namespace m2mkd {

/// Entry of the archive for a text of ours.
inline constexpr const char* kNoteEntry = "m2mkd.json";

class TorchContainer {
 public:
  virtual ~TorchContainer() = default;
  /// Runs the pickle of the values.
  virtual TorchValue* root(PickleValues& values) = 0;
  /// Bytes of a storage. Throws Error when there is none of this key.
  virtual std::int64_t bytes(const std::string& key) const = 0;
  /// Reads the whole storage.
  virtual void read(const std::string& key, void* out) const = 0;
  /// The text under kNoteEntry; empty where there is none.
  virtual std::string note() const { return {}; }
};

/// Two containers, told apart by the file's first bytes. torch 1.6 and later: a zip archive with
/// <folder>/data.pkl and <folder>/data/<key>. Before: pickles of a magic number, a version, the
/// system, the values and the list of storages, then each storage's number of elements (int64) and
/// data. Throws Error when it is neither.
std::unique_ptr<TorchContainer> open_torch_container(const std::filesystem::path& path);

}  // namespace m2mkd
