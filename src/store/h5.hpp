#pragma once
// All that this program needs of HDF5: handles that close themselves, errors that become
// m2mkd::Error, and one lock.
//
// The library need not be a thread-safe build: every call is made under `Lock`. Errors thrown here
// do not name the file; `reading` and `NewFile` (new_file.hpp) add it once.

#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <hdf5.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/store/tensor_file.hpp>

#include "seal.hpp"

namespace m2mkd::h5 {

/// Owns one HDF5 identifier and closes it with `Close`.
template <herr_t (*Close)(hid_t)>
class Handle {
 public:
  Handle() = default;
  explicit Handle(hid_t id) : id_(id) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    return *this;
  }
  ~Handle() {
    if (id_ >= 0) Close(id_);
  }
  operator hid_t() const { return id_; }
  /// Closes now; negative on failure, as HDF5 does.
  herr_t close() { return id_ >= 0 ? Close(std::exchange(id_, H5I_INVALID_HID)) : 0; }

 private:
  hid_t id_ = H5I_INVALID_HID;
};

using File = Handle<&H5Fclose>;
using Group = Handle<&H5Gclose>;
using Dataset = Handle<&H5Dclose>;
using Object = Handle<&H5Oclose>;
using Space = Handle<&H5Sclose>;
using Type = Handle<&H5Tclose>;
using AttributeHandle = Handle<&H5Aclose>;
using Properties = Handle<&H5Pclose>;

/// Held around every use of HDF5 in this process; switches HDF5's own printing of errors off.
class Lock {
 public:
  Lock();

 private:
  std::unique_lock<std::recursive_mutex> guard_;
};

/// Innermost reason of HDF5's error stack, or the system's message where one is in it.
std::string reason();

/// Passes `result` on; throws "<doing>: <reason>" when it is negative.
template <class T>
T must(T result, const std::string& doing) {
  if (result < 0) fail("{}: {}", doing, reason());
  return result;
}

/// Opens for reading. Throws with the reason: absent, no HDF5 file, truncated.
File open(const std::filesystem::path& path);

/// Runs `body(file)` on an open file under the lock; its errors get "cannot read '<path>': " in
/// front.
template <class Body>
auto reading(const std::filesystem::path& path, Body body) {
  Lock lock;
  try {
    File file = open(path);
    check_seal(file);
    return body(static_cast<hid_t>(file));
  } catch (const Error& problem) {
    fail("cannot read '{}': {}", path.string(), problem.what());
  }
}

/// Variable-length UTF-8, which h5py reads as `str`.
Type text_type();
/// The group `path` below `parent` ("" is the parent itself), made where missing, with its links in
/// creation order.
Group make_group(hid_t parent, const std::string& path);
/// A contiguous dataset without fill values, allocated at once. `name` has no slash.
Dataset make_dataset(hid_t group, const std::string& name, hid_t type,
                     const std::vector<std::int64_t>& shape);
std::vector<std::int64_t> shape_of(hid_t dataset);

/// Deeper than any name of ours; in a damaged file a group may lie within itself.
inline constexpr int kDeepest = 32;

/// Calls `visit(name, object, is_group)` for each group and dataset in `parent`, in creation order
/// where it is kept.
void for_each_child(hid_t parent,
                    const std::function<void(const std::string&, hid_t, bool is_group)>& visit);

void write_attribute(hid_t object, const std::string& name, const Attribute& value);
void write_attribute(hid_t object, const std::string& name, const std::vector<double>& values);
void write_attributes(hid_t object, const Attributes& attributes);
/// Scalar numbers and texts; others (dimension scales' references, arrays) are left out.
Attributes read_attributes(hid_t object);
/// A numeric array; empty when there is no such attribute.
std::vector<double> read_numbers(hid_t object, const std::string& name);
/// All texts of a one-dimensional string dataset.
std::vector<std::string> read_texts(hid_t dataset);
void write_texts(hid_t dataset, const std::vector<std::string>& texts);

/// Values of root attribute `format`: what kind of file it is.
inline constexpr const char* kTensors = "m2mkd";
inline constexpr const char* kTables = "m2mkd-table";
inline constexpr const char* kImages = "m2mkd-images";
/// Raised when a reader of the older version would misread the file.
inline constexpr std::int64_t kFormatVersion = 1;

/// format, format_version, program_version, git, created.
Attributes header(const std::string& format);
/// Throws unless the file is ours, of this `format` (any of ours when empty) and not of a newer
/// version.
void check_header(const Attributes& root, const std::string& format);

}  // namespace m2mkd::h5
