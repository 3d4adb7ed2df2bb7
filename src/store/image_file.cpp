#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <m2mkd/store/digest.hpp>
#include <m2mkd/store/image_file.hpp>

#include "h5.hpp"
#include "image_layout.hpp"
#include "seal.hpp"

namespace m2mkd {
namespace {

h5::Dataset open_dataset(hid_t file, const char* name) {
  return h5::Dataset(
      h5::must(H5Dopen2(file, name, H5P_DEFAULT), std::string("open '") + name + "'"));
}

/// Fills count, extents and bytes from the dataset's shape.
void take_shape(const std::vector<std::int64_t>& shape, ImageFileInfo& info) {
  const std::size_t expected = info.form == ImageForm::encoded ? 1 : 4;
  if (shape.size() != expected)
    fail("its images have {} dimensions instead of {}", shape.size(), expected);
  if (info.form == ImageForm::encoded) {
    info.bytes = shape[0];
    return;
  }
  const bool tensor = info.form == ImageForm::tensor;
  info.count = shape[0];
  info.channels = tensor ? shape[1] : shape[3];
  info.height = tensor ? shape[2] : shape[1];
  info.width = tensor ? shape[3] : shape[2];
  info.bytes = info.count * bytes_per_row(info);
}

// One number per row of a dataset.
std::vector<std::uint64_t> read_column(hid_t file, const char* name, std::int64_t rows) {
  const auto dataset = open_dataset(file, name);
  const auto shape = h5::shape_of(dataset);
  if (shape.size() != 1 || (rows >= 0 && shape[0] != rows))
    fail("the shape of /{} is [{}], not one number per image", name, fmt::join(shape, ","));
  std::vector<std::uint64_t> column(static_cast<std::size_t>(shape[0]));
  h5::must(H5Dread(dataset, H5T_NATIVE_UINT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, column.data()),
           std::string("read /") + name);
  return column;
}

/// Where each encoded image begins, and the end of the last.
std::vector<std::uint64_t> read_bounds(hid_t file, ImageFileInfo& info) {
  auto bounds = read_column(file, kImageBounds, -1);
  if (bounds.empty()) fail("/{} has no end of the last image", kImageBounds);
  if (bounds.front() != 0 || bounds.back() != static_cast<std::uint64_t>(info.bytes) ||
      !std::ranges::is_sorted(bounds))
    fail("/{} does not rise from 0 to the {} bytes of its images", kImageBounds, info.bytes);
  info.count = std::ssize(bounds) - 1;
  return bounds;
}

std::vector<std::int32_t> read_labels(hid_t file, const ImageFileInfo& info) {
  const auto dataset = open_dataset(file, kLabels);
  const auto shape = h5::shape_of(dataset);
  if (shape != std::vector<std::int64_t>{info.count}) {
    fail("it has {} images, but the shape of /labels is [{}]", info.count, fmt::join(shape, ","));
  }
  std::vector<std::int32_t> labels(info.count);
  h5::must(H5Dread(dataset, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, labels.data()),
           "read /labels");
  for (std::size_t i = 0; i < labels.size(); ++i) check_label(labels[i], i, info);
  return labels;
}

ImageForm find_form(hid_t file) {
  for (const auto form : {ImageForm::tensor, ImageForm::encoded})
    if (h5::must(H5Lexists(file, dataset_name(form), H5P_DEFAULT), "look for images") > 0)
      return form;
  return ImageForm::pixels;
}

/// The images' place in the file.
std::int64_t find_images(hid_t file, ImageFileInfo& info) {
  info.form = find_form(file);
  const auto dataset = open_dataset(file, dataset_name(info.form));
  take_shape(h5::shape_of(dataset), info);
  h5::Type type(H5Dget_type(dataset));
  if (H5Tequal(type, element_type(info.form)) <= 0) {
    fail("its images are not {}",
         info.form == ImageForm::tensor ? "little-endian float32" : "uint8");
  }
  const haddr_t offset = H5Dget_offset(dataset);
  if (offset == HADDR_UNDEF && info.bytes > 0) {
    fail("its images are not stored contiguously; pack them again with m2mkd-pack");
  }
  return static_cast<std::int64_t>(offset);
}

}  // namespace

ImageFile::ImageFile(const std::filesystem::path& path) : path_(path) {
  h5::reading(path, [&](hid_t file) {
    const auto attributes = h5::read_attributes(file);
    h5::check_header(attributes, h5::kImages);
    info_.name = text_attribute(attributes, "name");
    info_.split = text_attribute(attributes, "split");
    info_.digest = text_attribute(attributes, "digest");
    offset_ = find_images(file, info_);
    info_.mean = h5::read_numbers(file, "mean");
    info_.std = h5::read_numbers(file, "std");
    if (info_.form == ImageForm::encoded) {
      bounds_ = read_bounds(file, info_);
      info_.channels = std::ssize(info_.mean);
    }
    info_.classes = h5::read_texts(open_dataset(file, kClasses));
    const auto channels = static_cast<std::size_t>(info_.channels);
    if (info_.mean.size() != channels || info_.std.size() != channels) {
      fail("attributes mean and std have {} and {} values for {} channels", info_.mean.size(),
           info_.std.size(), channels);
    }
    labels_ = read_labels(file, info_);
    if (h5::must(H5Lexists(file, kImageDigests, H5P_DEFAULT), "look for digests") > 0)
      digests_ = read_column(file, kImageDigests, info_.count);
    // The images are those of the file that was opened: its path may lead to another one by now.
    descriptor_ = ::fcntl(h5::descriptor_of(file), F_DUPFD_CLOEXEC, 0);
    if (descriptor_ < 0) fail("{}", std::strerror(errno));
  });
}

ImageFile::~ImageFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

ImageFile::ImageFile(ImageFile&& other) noexcept
    : info_(std::move(other.info_)),
      labels_(std::move(other.labels_)),
      bounds_(std::move(other.bounds_)),
      digests_(std::move(other.digests_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      offset_(other.offset_),
      path_(std::move(other.path_)) {}

ImageFile& ImageFile::operator=(ImageFile&& other) noexcept {
  std::swap(info_, other.info_);
  std::swap(labels_, other.labels_);
  std::swap(bounds_, other.bounds_);
  std::swap(digests_, other.digests_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(offset_, other.offset_);
  std::swap(path_, other.path_);
  return *this;
}

std::int64_t ImageFile::image_bytes(std::int64_t index) const {
  require(index >= 0 && index < info_.count, "image index lies in the file");
  if (bounds_.empty()) return bytes_per_row(info_);
  const auto i = static_cast<std::size_t>(index);
  return static_cast<std::int64_t>(bounds_[i + 1] - bounds_[i]);
}

void ImageFile::read(std::int64_t index, std::span<std::byte> out) const {
  read_unverified(index, out);
  if (digests_.empty()) return;
  const auto packed = digests_[static_cast<std::size_t>(index)];
  if (const auto found = xxh3(out.data(), out.size()); found != packed)
    fail(
        "image {} of '{}' is damaged: the XXH3 of its bytes is {:016x}, {:016x} was packed [the "
        "disk, or the file was overwritten while in use]: restore the file, or pack it again",
        index, path_.string(), found, packed);
}

void ImageFile::read_unverified(std::int64_t index, std::span<std::byte> out) const {
  const auto bytes = image_bytes(index);
  require(std::ssize(out) == bytes, "the buffer holds one image");
  const auto begin = bounds_.empty()
                         ? index * bytes
                         : static_cast<std::int64_t>(bounds_[static_cast<std::size_t>(index)]);
  const auto start = offset_ + begin;
  for (std::size_t done = 0; done < out.size();) {
    const auto count = ::pread(descriptor_, out.data() + done, out.size() - done,
                               static_cast<off_t>(start + static_cast<std::int64_t>(done)));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      fail("cannot read image {} of '{}': {}", index, path_.string(),
           count < 0 ? std::strerror(errno) : "the file ends before it (truncated while in use?)");
    }
    done += static_cast<std::size_t>(count);
  }
}

}  // namespace m2mkd
