#include "h5.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <sys/stat.h>

#include <m2mkd/base/build_info.hpp>
#include <m2mkd/base/stopwatch.hpp>

namespace m2mkd::h5 {
namespace {

std::recursive_mutex& mutex() {
  static std::recursive_mutex one;
  return one;
}

/// First call of a walk upwards: the innermost function's description.
herr_t keep_first(unsigned n, const H5E_error2_t* entry, void* text) {
  if (n == 0 && entry->desc) *static_cast<std::string*>(text) = entry->desc;
  return 0;
}

}  // namespace

Lock::Lock() : guard_(mutex()) {
  // A file whose writing failed cannot be closed, and HDF5's own clean-up at exit crashes on it.
  // There is nothing to clean up: every file is closed, or was never published.
  static const herr_t once = H5dont_atexit();
  (void)once;
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);  // per thread in a thread-safe build
}

std::string reason() {
  std::string text;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, &text);
  if (const auto at = text.find("errno = "); at != std::string::npos) {
    const int code = std::atoi(text.c_str() + at + std::strlen("errno = "));
    if (code != 0) return std::strerror(code);
  }
  return text.empty() ? "HDF5 gives no reason" : text;
}

File open(const std::filesystem::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) fail("{}", std::strerror(errno));
  if (S_ISDIR(status.st_mode)) fail("it is a folder");
  const htri_t ours = H5Fis_hdf5(path.c_str());
  if (ours < 0) fail("{}", reason());
  if (ours == 0) fail("it is not an HDF5 file ({} bytes, no HDF5 signature)", status.st_size);
  Properties access(H5Pcreate(H5P_FILE_ACCESS));
  H5Pset_file_locking(access, false, true);  // parallel file systems lack it; ours is FolderLock
  H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
  File file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access));
  if (file < 0) {
    fail(
        "it is truncated or damaged ({}); restore it from a copy, or remove it so that it is made "
        "again",
        reason());
  }
  return file;
}

Type text_type() {
  Type type(H5Tcopy(H5T_C_S1));
  must(H5Tset_size(type, H5T_VARIABLE), "text type");
  must(H5Tset_cset(type, H5T_CSET_UTF8), "text type");
  return type;
}

Group make_group(hid_t parent, const std::string& path) {
  Properties creation(H5Pcreate(H5P_GROUP_CREATE));
  H5Pset_link_creation_order(creation, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
  Group at(must(H5Gopen2(parent, ".", H5P_DEFAULT), "open group"));
  for (std::size_t begin = 0; begin < path.size();) {
    const auto end = std::min(path.find('/', begin), path.size());
    const std::string name = path.substr(begin, end - begin);
    const bool exists =
        must(H5Lexists(at, name.c_str(), H5P_DEFAULT), "look for '" + path + "'") > 0;
    at = Group(must(exists ? H5Gopen2(at, name.c_str(), H5P_DEFAULT)
                           : H5Gcreate2(at, name.c_str(), H5P_DEFAULT, creation, H5P_DEFAULT),
                    "make group '" + path + "'"));
    begin = end + 1;
  }
  return at;
}

Dataset make_dataset(hid_t group, const std::string& name, hid_t type,
                     const std::vector<std::int64_t>& shape) {
  Properties creation(H5Pcreate(H5P_DATASET_CREATE));
  H5Pset_layout(creation, H5D_CONTIGUOUS);
  H5Pset_alloc_time(creation, H5D_ALLOC_TIME_EARLY);
  // Texts are references into a heap, so HDF5 insists on filling them.
  if (H5Tis_variable_str(type) <= 0) H5Pset_fill_time(creation, H5D_FILL_TIME_NEVER);
  const std::vector<hsize_t> extent(shape.begin(), shape.end());
  Space space(shape.empty()
                  ? H5Screate(H5S_SCALAR)
                  : H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr));
  must<hid_t>(space, "shape of dataset '" + name + "'");
  return Dataset(
      must(H5Dcreate2(group, name.c_str(), type, space, H5P_DEFAULT, creation, H5P_DEFAULT),
           "make dataset '" + name + "'"));
}

std::vector<std::int64_t> shape_of(hid_t dataset) {
  Space space(must(H5Dget_space(dataset), "read shape"));
  std::vector<hsize_t> extent(must(H5Sget_simple_extent_ndims(space), "read shape"));
  H5Sget_simple_extent_dims(space, extent.data(), nullptr);
  return {extent.begin(), extent.end()};
}

void for_each_child(hid_t parent,
                    const std::function<void(const std::string&, hid_t, bool is_group)>& visit) {
  Group group(must(H5Gopen2(parent, ".", H5P_DEFAULT), "read group"));  // a file is one, too
  Properties creation(must(H5Gget_create_plist(group), "read group"));
  unsigned order = 0;
  H5Pget_link_creation_order(creation, &order);
  const auto index = order & H5P_CRT_ORDER_TRACKED ? H5_INDEX_CRT_ORDER : H5_INDEX_NAME;
  H5G_info_t info{};
  must(H5Gget_info(group, &info), "read group");
  for (hsize_t i = 0; i < info.nlinks; ++i) {
    const auto name_of = [&](char* out, std::size_t size) {
      return must(H5Lget_name_by_idx(group, ".", index, H5_ITER_INC, i, out, size, H5P_DEFAULT),
                  "read group");
    };
    std::string name(name_of(nullptr, 0), '\0');
    name_of(name.data(), name.size() + 1);
    Object object(must(H5Oopen(group, name.c_str(), H5P_DEFAULT), "open '" + name + "'"));
    const auto kind = H5Iget_type(object);
    if (kind == H5I_GROUP || kind == H5I_DATASET) visit(name, object, kind == H5I_GROUP);
  }
}

Attributes header(const std::string& format) {
  return {{"format", format},
          {"format_version", kFormatVersion},
          {"program_version", build_info().version},
          {"git", build_info().git},
          {"created", utc_time_text()}};
}

void check_header(const Attributes& root, const std::string& format) {
  const auto found = root.find("format");
  const auto* text = found == root.end() ? nullptr : std::get_if<std::string>(&found->second);
  if (!text || text->rfind(kTensors, 0) != 0) {
    fail("it is an HDF5 file, but not one of m2mkd's (root attribute 'format' is {})",
         text ? "'" + *text + "'" : "missing");
  }
  if (!format.empty() && *text != format) {
    fail("it is a file of kind '{}', not '{}' (docs/file-formats.md lists the kinds)", *text,
         format);
  }
  if (const auto version = integer_attribute(root, "format_version"); version > kFormatVersion) {
    fail("its format_version {} is newer than this program's {}; use a newer m2mkd", version,
         kFormatVersion);
  }
}

}  // namespace m2mkd::h5
