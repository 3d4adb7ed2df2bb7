#include <algorithm>
#include <mutex>

#include <ATen/Parallel.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/data/decodable.hpp>
#include <m2mkd/data/image.hpp>

namespace m2mkd {

std::vector<Undecodable> undecodable(
    std::int64_t count,
    const std::function<void(std::int64_t image, std::vector<std::byte>& bytes)>& read) {
  std::vector<Undecodable> found;
  std::mutex guard;
  at::parallel_for(0, count, 1, [&](std::int64_t first, std::int64_t last) {
    std::vector<std::byte> bytes;
    Image decoded;
    for (std::int64_t i = first; i < last; ++i) try {
        read(i, bytes);
        decode_jpeg(bytes, decoded);
      } catch (const Error& problem) {
        const std::lock_guard lock(guard);
        found.push_back({i, problem.what()});
      }
  });
  std::ranges::sort(found, {}, &Undecodable::image);
  return found;
}

std::vector<Undecodable> undecodable(const ImageFile& file, std::span<const std::int64_t> images) {
  if (file.info().form != ImageForm::encoded) return {};
  const auto place = [&](std::int64_t i) { return images[static_cast<std::size_t>(i)]; };
  auto found = undecodable(std::ssize(images), [&](std::int64_t i, std::vector<std::byte>& bytes) {
    bytes.resize(static_cast<std::size_t>(file.image_bytes(place(i))));
    file.read(place(i), bytes);
  });
  for (auto& damaged : found) damaged.image = place(damaged.image);
  return found;
}

}  // namespace m2mkd
