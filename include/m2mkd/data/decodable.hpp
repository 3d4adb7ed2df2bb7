#pragma once
// Images that cannot be decoded, found by decoding them: a header alone tells nothing of what
// follows.

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <m2mkd/store/image_file.hpp>

namespace m2mkd {

struct Undecodable {
  std::int64_t image;  ///< number among those that were asked for, or in the file
  std::string reason;
};

/// Decodes JPEG files 0 … count − 1 on ATen's threads; `read` fills in the bytes of one (called
/// from any thread; what it throws is a reason, too). In the order of their numbers.
std::vector<Undecodable> undecodable(
    std::int64_t count,
    const std::function<void(std::int64_t image, std::vector<std::byte>& bytes)>& read);

/// The same of these images of a packed data set, by their place in the file. None where its images
/// are not encoded.
std::vector<Undecodable> undecodable(const ImageFile& file, std::span<const std::int64_t> images);

}  // namespace m2mkd
