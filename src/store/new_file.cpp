#include "new_file.hpp"

#include <unistd.h>

namespace m2mkd::h5 {
namespace {

/// Datasets of this size and more start on a page of the file, which direct and parallel readers
/// like.
constexpr hsize_t kPage = 4096;

}  // namespace

NewFile::NewFile(const std::filesystem::path& target) : place_(target) {
  Properties access(H5Pcreate(H5P_FILE_ACCESS));
  H5Pset_file_locking(access, false, true);
  H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
  H5Pset_alignment(access, kPage, kPage);
  // The format of HDF5 1.8 has checksums on its metadata and keeps the order of links.
  H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_LATEST);
  Properties creation(H5Pcreate(H5P_FILE_CREATE));
  H5Pset_link_creation_order(creation, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
  file_ = File(H5Fcreate(place_.temporary().c_str(), H5F_ACC_TRUNC, creation, access));
  if (file_ < 0) place_.give_up(reason());
}

NewFile::~NewFile() {
  if (file_ < 0) return;
  // On a full disk HDF5 could not write its metadata and would keep the file open until the program
  // ends: emptying the file first gives it the room.
  [[maybe_unused]] const int best_effort = ::truncate(place_.temporary().c_str(), 0);
}

void NewFile::finish() {
  write([](hid_t file) { must(H5Fflush(file, H5F_SCOPE_LOCAL), "write to disk"); });
  if (file_.close() < 0) place_.give_up(reason());
  try {
    seal(place_.temporary());
  } catch (const Error& problem) {
    place_.give_up(problem.what());
  }
  place_.put_in_place();
}

}  // namespace m2mkd::h5
