#pragma once
// Names and sizes that reader and writer of packed data sets share.

#include <m2mkd/store/image_file.hpp>

#include "h5.hpp"

namespace m2mkd {

inline constexpr const char* kImageGroup = "images";
inline constexpr const char* kPixelImages = "images/pixels";
inline constexpr const char* kTensorImages = "images/tensor";
inline constexpr const char* kLabels = "labels";
inline constexpr const char* kClasses = "classes";

inline std::int64_t bytes_per_image(const ImageFileInfo& info) {
  return info.channels * info.height * info.width * (info.is_tensor ? 4 : 1);
}

inline hid_t pixel_type(const ImageFileInfo& info) {
  return info.is_tensor ? H5T_IEEE_F32LE : H5T_STD_U8LE;
}

/// [N,C,H,W] of tensors, [N,H,W,C] of pixels.
inline std::vector<std::int64_t> image_shape(const ImageFileInfo& info, std::int64_t count) {
  if (info.is_tensor) return {count, info.channels, info.height, info.width};
  return {count, info.height, info.width, info.channels};
}

/// Throws when `label` names none of the classes.
inline void check_label(std::int32_t label, std::size_t index, const ImageFileInfo& info) {
  if (label < 0 || static_cast<std::size_t>(label) >= info.classes.size()) {
    fail("label {} of image {} is outside 0..{}", label, index,
         static_cast<std::int64_t>(info.classes.size()) - 1);
  }
}

}  // namespace m2mkd
