#pragma once
// A small packed data set: 1 × 8 × 8 images of 4 classes that a tiny network can learn to tell
// apart.

#include <array>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include <unistd.h>

#include <m2mkd/base/random.hpp>
#include <m2mkd/data/options.hpp>
#include <m2mkd/store/image_file.hpp>

namespace m2mkd::test {

/// A folder of its own under the system's temporary one; who makes it removes it.
inline std::filesystem::path make_folder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "m2mkd_train_XXXXXX").string();
  return ::mkdtemp(pattern.data());
}

inline constexpr std::int64_t kEveryImage = -2;

/// Image i is of class i % 4, whose stripes are brighter than the noise. Bytes; or, with a
/// `broken` image (one NaN in it, if there is such an image; or in every image), tensors: bytes
/// cannot be broken.
inline void write_small_images(const std::filesystem::path& path, const std::string& split,
                               std::int64_t count, std::int64_t broken = -1) {
  ImageFileInfo info;
  info.name = "small";
  info.split = split;
  info.count = count;
  info.channels = 1;
  info.height = info.width = 8;
  info.classes = {"a", "b", "c", "d"};
  if (broken == -1) {
    info.mean = {0.49};
    info.std = {0.25};
  } else {
    info.form = ImageForm::tensor;
  }
  ImageFileWriter writer(path, info);
  std::vector<std::uint8_t> bytes(64);
  std::vector<float> floats(64);
  for (std::int64_t i = 0; i < count; ++i) {
    Random random(hash64(split.data(), split.size()), Purpose::test, static_cast<std::uint64_t>(i));
    for (std::size_t k = 0; k < bytes.size(); ++k) {
      const std::size_t y = k / 8, x = k % 8;
      const std::array bright{y % 2, x % 2, (x + y) % 2, y / 2 % 2};
      bytes[k] = static_cast<std::uint8_t>(90 * bright[static_cast<std::size_t>(i % 4)] +
                                           random.below(160));
      floats[k] = (static_cast<float>(bytes[k]) - 100.0F) / 50.0F;
    }
    if (i == broken || broken == kEveryImage) floats[9] = std::numeric_limits<float>::quiet_NaN();
    writer.add(info.form == ImageForm::tensor ? std::as_bytes(std::span(floats))
                                              : std::as_bytes(std::span(bytes)),
               static_cast<std::int32_t>(i % 4));
  }
  writer.finish();
}

/// Where write_small_data() puts them; with everything random switched on that training can draw.
inline DataOptions small_data(const std::filesystem::path& folder) {
  DataOptions data;
  data.train = folder / "train.h5";
  data.test = folder / "test.h5";
  data.flip = 0.3;
  data.crop_pad = 1;
  data.mixup = 0.4;
  data.smoothing = 0.1;
  return data;
}

/// 96 training images (6 steps of 16) and 40 test images.
inline void write_small_data(const std::filesystem::path& folder) {
  write_small_images(folder / "train.h5", "train", 96);
  write_small_images(folder / "test.h5", "test", 40);
}

}  // namespace m2mkd::test
