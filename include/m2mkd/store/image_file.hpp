#pragma once
// A packed data set: HDF5 with `/images/pixels` uint8[N,H,W,C], `/images/tensor` float32[N,C,H,W],
// or `/images/bytes` uint8[T] with `/images/offset` uint64[N+1]; `/images/xxh3` uint64[N],
// `/labels` int32[N], `/classes` strings, attributes name, split, mean, std (per channel), digest.
// Contiguous: images are read with pread at the dataset's offset, without HDF5's lock, from any
// thread, and each is verified as it is read.

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace m2mkd {

/// How the images of a file are stored.
enum class ImageForm {
  pixels,   ///< uint8, (H, W, C) each
  tensor,   ///< float32, (C, H, W) each, already normalised
  encoded,  ///< files such as JPEG as they were, of any number of bytes
};

struct ImageFileInfo {
  std::string name, split, digest;
  /// Encoded images: height = width = 0, since each has its own; channels are those of mean and
  /// std.
  std::int64_t count = 0, channels = 0, height = 0, width = 0;
  ImageForm form = ImageForm::pixels;
  std::int64_t bytes = 0;         ///< of all images together
  std::vector<double> mean, std;  ///< per channel in [0, 1] units
  std::vector<std::string> classes;
};

/// An open packed data set, opened once: facts, labels and images are of one file, whatever its
/// path leads to later. Moves; thread-safe reads.
class ImageFile {
 public:
  explicit ImageFile(const std::filesystem::path& path);
  ~ImageFile();
  ImageFile(ImageFile&&) noexcept;
  ImageFile& operator=(ImageFile&&) noexcept;

  const ImageFileInfo& info() const { return info_; }
  std::span<const std::int32_t> labels() const { return labels_; }
  /// Bytes of image `index`: H·W·C, 4·C·H·W for tensors, the length of an encoded one.
  std::int64_t image_bytes(std::int64_t index) const;
  /// Reads image `index` into `out` (image_bytes(index) long). Throws Error with the real I/O
  /// error, or where the bytes are not those that were packed.
  void read(std::int64_t index, std::span<std::byte> out) const;
  /// False for a file of an earlier version, which has no digest per image.
  bool verifies_reads() const { return !digests_.empty() || info_.count == 0; }

 private:
  friend std::vector<std::string> verify_image_file(const std::filesystem::path& path);
  void read_unverified(std::int64_t index, std::span<std::byte> out) const;

  ImageFileInfo info_;
  std::vector<std::int32_t> labels_;
  std::vector<std::uint64_t> bounds_;   ///< encoded: where each image begins, then the end
  std::vector<std::uint64_t> digests_;  ///< XXH3 of each image's bytes
  int descriptor_ = -1;
  std::int64_t offset_ = 0;
  std::filesystem::path path_;
};

/// Reads everything and compares the digests; returns the damages found, empty when the file is
/// sound. Throws Error when its structure is damaged.
std::vector<std::string> verify_image_file(const std::filesystem::path& path);

/// Writes one, image by image. Published by finish(); without it nothing is left.
class ImageFileWriter {
 public:
  /// info.count images will follow. mean/std are computed from the pixels when empty; encoded
  /// images need them given, and info.bytes.
  ImageFileWriter(std::filesystem::path path, ImageFileInfo info);
  ~ImageFileWriter();
  void add(std::span<const std::byte> image, std::int32_t label);
  /// Writes labels and attributes, computes the digest, publishes. Returns the digest.
  std::string finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace m2mkd
