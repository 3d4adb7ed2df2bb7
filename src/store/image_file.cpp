#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <m2mkd/store/image_file.hpp>

#include "h5.hpp"
#include "image_layout.hpp"

namespace m2mkd {
namespace {

h5::Dataset open_dataset(hid_t file, const char* name) {
  return h5::Dataset(
      h5::check(H5Dopen2(file, name, H5P_DEFAULT), std::string("open '") + name + "'"));
}

/// Fills count and extents from the dataset's shape.
void take_shape(const std::vector<std::int64_t>& shape, ImageFileInfo& info) {
  if (shape.size() != 4) fail("its images have {} dimensions instead of 4", shape.size());
  info.count = shape[0];
  info.channels = info.is_tensor ? shape[1] : shape[3];
  info.height = info.is_tensor ? shape[2] : shape[1];
  info.width = info.is_tensor ? shape[3] : shape[2];
}

std::vector<std::int32_t> read_labels(hid_t file, const ImageFileInfo& info) {
  const auto dataset = open_dataset(file, kLabels);
  const auto shape = h5::shape_of(dataset);
  if (shape != std::vector<std::int64_t>{info.count}) {
    fail("it has {} images, but the shape of /labels is [{}]", info.count, fmt::join(shape, ","));
  }
  std::vector<std::int32_t> labels(info.count);
  h5::check(H5Dread(dataset, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, labels.data()),
            "read /labels");
  for (std::size_t i = 0; i < labels.size(); ++i) check_label(labels[i], i, info);
  return labels;
}

/// The pixels' place in the file.
std::int64_t find_pixels(hid_t file, ImageFileInfo& info) {
  info.is_tensor = h5::check(H5Lexists(file, kTensorImages, H5P_DEFAULT), "look for images") > 0;
  const auto dataset = open_dataset(file, info.is_tensor ? kTensorImages : kPixelImages);
  take_shape(h5::shape_of(dataset), info);
  h5::Type type(H5Dget_type(dataset));
  if (H5Tequal(type, pixel_type(info)) <= 0) {
    fail("its images are not {}", info.is_tensor ? "little-endian float32" : "uint8");
  }
  const haddr_t offset = H5Dget_offset(dataset);
  if (offset == HADDR_UNDEF && info.count > 0) {
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
    offset_ = find_pixels(file, info_);
    info_.mean = h5::read_numbers(file, "mean");
    info_.std = h5::read_numbers(file, "std");
    info_.classes = h5::read_texts(open_dataset(file, kClasses));
    const auto channels = static_cast<std::size_t>(info_.channels);
    if (info_.mean.size() != channels || info_.std.size() != channels) {
      fail("attributes mean and std have {} and {} values for {} channels", info_.mean.size(),
           info_.std.size(), channels);
    }
    labels_ = read_labels(file, info_);
  });
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor_ < 0) fail("cannot read '{}': {}", path.string(), std::strerror(errno));
}

ImageFile::~ImageFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

ImageFile::ImageFile(ImageFile&& other) noexcept
    : info_(std::move(other.info_)),
      labels_(std::move(other.labels_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      offset_(other.offset_),
      path_(std::move(other.path_)) {}

ImageFile& ImageFile::operator=(ImageFile&& other) noexcept {
  std::swap(info_, other.info_);
  std::swap(labels_, other.labels_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(offset_, other.offset_);
  std::swap(path_, other.path_);
  return *this;
}

std::int64_t ImageFile::image_bytes() const {
  return bytes_per_image(info_);
}

void ImageFile::read(std::int64_t index, std::span<std::byte> out) const {
  require(index >= 0 && index < info_.count, "image index lies in the file");
  require(static_cast<std::int64_t>(out.size()) == image_bytes(), "the buffer holds one image");
  const auto start = offset_ + index * image_bytes();
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
