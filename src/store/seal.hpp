#pragma once
// A checksum of everything in a file that no other digest covers.
//
// HDF5 has checksums on its structure but not on the heap that holds texts, and may crash when
// sizes in there are damaged. So 24 bytes follow HDF5's end of file: "m2mkdsum" and 16 hex digits,
// the XXH3 of all bytes before, without the data of datasets that carry attribute `xxh3`. HDF5
// ignores them, and drops them when someone edits the file on purpose: then there is nothing to
// check.

#include <filesystem>

#include <hdf5.h>

namespace m2mkd::h5 {

/// Name of the attribute with a dataset's own digest.
inline constexpr const char* kDataDigest = "xxh3";

/// Appends the checksum to a closed file.
void seal(const std::filesystem::path& path);
/// Throws when the open file has a checksum that does not match. Reads no texts.
void check_seal(hid_t file);

/// HDF5's own descriptor of an open file: the path may lead to a newer one already.
int descriptor_of(hid_t file);

}  // namespace m2mkd::h5
