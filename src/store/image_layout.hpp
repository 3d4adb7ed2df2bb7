#pragma once
// Names and sizes that reader and writer of packed data sets share.

#include <m2mkd/store/image_file.hpp>

#include "h5.hpp"

namespace m2mkd {

inline constexpr const char* kImageGroup = "images";
inline constexpr const char* kPixelImages = "images/pixels";
inline constexpr const char* kTensorImages = "images/tensor";
inline constexpr const char* kEncodedImages = "images/bytes";
inline constexpr const char* kImageBounds = "images/offset";
inline constexpr const char* kImageDigests = "images/xxh3";
inline constexpr const char* kLabels = "labels";
inline constexpr const char* kClasses = "classes";

inline const char* dataset_name(ImageForm form) {
  switch (form) {
    case ImageForm::tensor:
      return kTensorImages;
    case ImageForm::encoded:
      return kEncodedImages;
    case ImageForm::pixels:
      break;
  }
  return kPixelImages;
}

inline hid_t element_type(ImageForm form) {
  return form == ImageForm::tensor ? H5T_IEEE_F32LE : H5T_STD_U8LE;
}

/// Bytes of a row, the first dimension's unit: an image, or one byte of encoded images.
inline std::int64_t bytes_per_row(const ImageFileInfo& info) {
  if (info.form == ImageForm::encoded) return 1;
  return info.channels * info.height * info.width * (info.form == ImageForm::tensor ? 4 : 1);
}

/// [N,C,H,W] of tensors, [N,H,W,C] of pixels, [T] of encoded images.
inline std::vector<std::int64_t> rows_shape(const ImageFileInfo& info, std::int64_t rows) {
  if (info.form == ImageForm::encoded) return {rows};
  if (info.form == ImageForm::tensor) return {rows, info.channels, info.height, info.width};
  return {rows, info.height, info.width, info.channels};
}

/// Throws when `label` names none of the classes.
inline void check_label(std::int32_t label, std::size_t index, const ImageFileInfo& info) {
  if (label < 0 || static_cast<std::size_t>(label) >= info.classes.size()) {
    fail("label {} of image {} is outside 0..{}", label, index,
         static_cast<std::int64_t>(info.classes.size()) - 1);
  }
}

}  // namespace m2mkd
