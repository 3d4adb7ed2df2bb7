// JPEG by libjpeg-turbo, with the settings Pillow uses: exact integer DCT, smooth upsampling of
// colours.

#include <algorithm>
#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <string>

#include <jpeglib.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/data/image.hpp>

namespace m2mkd {
namespace {

constexpr std::int64_t max_pixels = 178'956'970;  // Pillow's bound against decompression bombs

// libjpeg reports an error by a function that must not return: it jumps back to the setjmp of the
// call in progress, over frames of C code only. Nothing between a setjmp and its longjmp may have a
// destructor.
struct Failure : jpeg_error_mgr {
  std::jmp_buf jump;
  char text[JMSG_LENGTH_MAX] = "";
};

[[noreturn]] void give_up(j_common_ptr jpeg) {
  auto* failure = static_cast<Failure*>(jpeg->err);
  failure->format_message(jpeg, failure->text);
  std::longjmp(failure->jump, 1);
}
void be_silent(j_common_ptr) {}

// The whole file is in memory. At its end libjpeg is told to wait for more, which stops it: a file
// that ends early is an error, and no data are made up.
void no_op(j_decompress_ptr) {}
boolean no_more(j_decompress_ptr) {
  return FALSE;
}
void skip(j_decompress_ptr jpeg, long count) {
  if (count <= 0) return;
  const auto step = std::min(static_cast<std::size_t>(count), jpeg->src->bytes_in_buffer);
  jpeg->src->next_input_byte += step;
  jpeg->src->bytes_in_buffer -= step;
}

class Decoder {
 public:
  explicit Decoder(std::span<const std::byte> bytes) {
    jpeg_.err = jpeg_std_error(&failure_);
    failure_.error_exit = give_up;
    failure_.output_message = be_silent;
    source_.init_source = no_op;
    source_.fill_input_buffer = no_more;
    source_.skip_input_data = skip;
    source_.resync_to_restart = jpeg_resync_to_restart;
    source_.term_source = no_op;
    source_.next_input_byte = reinterpret_cast<const JOCTET*>(bytes.data());
    source_.bytes_in_buffer = bytes.size();
  }
  ~Decoder() { jpeg_destroy_decompress(&jpeg_); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  ImageSize size() {
    if (!read_header()) damaged();
    const ImageSize size{jpeg_.image_height, jpeg_.image_width};
    const int parts = jpeg_.num_components;
    if (parts != 1 && parts != 3 && parts != 4)
      fail("this JPEG has {} colour components [grey has 1, RGB 3, CMYK 4]: convert it", parts);
    if (size.height * size.width > max_pixels)
      fail("this JPEG has {} x {} pixels [the bound is {} in all]: make it smaller", size.height,
           size.width, max_pixels);
    return size;
  }

  void decode(Image& out) {
    const auto [height, width] = size();
    out.reshape(height, width, 3);
    const bool cmyk = jpeg_.num_components == 4;
    std::vector<std::uint8_t> inks(static_cast<std::size_t>(cmyk ? 4 * width : 0));
    if (!read_rows(out, cmyk ? inks.data() : nullptr)) damaged();
  }

 private:
  bool read_header() {
    if (setjmp(failure_.jump) != 0) return false;
    jpeg_create_decompress(&jpeg_);
    jpeg_.src = &source_;
    return jpeg_read_header(&jpeg_, TRUE) == JPEG_HEADER_OK;
  }

  bool read_rows(Image& out, std::uint8_t* inks) {
    if (setjmp(failure_.jump) != 0) return false;
    jpeg_.out_color_space = inks ? JCS_CMYK : JCS_RGB;
    jpeg_.dct_method = JDCT_ISLOW;
    if (!jpeg_start_decompress(&jpeg_)) return false;
    while (jpeg_.output_scanline < jpeg_.output_height) {
      std::uint8_t* const row = out.row(jpeg_.output_scanline);
      JSAMPROW target = inks ? inks : row;
      if (jpeg_read_scanlines(&jpeg_, &target, 1) != 1) return false;
      if (inks) multiply_inks(inks, out.width, row);
    }
    // Behind the last row an end may be missing, but what is there must be sound.
    jpeg_finish_decompress(&jpeg_);
    return true;
  }

  // Inks are stored inverted: 255 is none. A colour is its ink times black, over 255, rounded.
  static void multiply_inks(const std::uint8_t* inks, std::int64_t width, std::uint8_t* row) {
    for (std::int64_t x = 0; x < width; ++x, inks += 4, row += 3) {
      const int black = inks[3];
      for (int c = 0; c < 3; ++c) {
        const int product = (255 - inks[c]) * black + 128;
        row[c] = static_cast<std::uint8_t>(black - (((product >> 8) + product) >> 8));
      }
    }
  }

  [[noreturn]] void damaged() const {
    const std::string reason = *failure_.text ? failure_.text : "the data end too early";
    fail("a JPEG image is damaged [{}]: get the file again, or leave it out", reason);
  }

  Failure failure_;
  jpeg_source_mgr source_{};
  jpeg_decompress_struct jpeg_{};
};

}  // namespace

ImageSize jpeg_size(std::span<const std::byte> bytes) {
  return Decoder(bytes).size();
}

void decode_jpeg(std::span<const std::byte> bytes, Image& out) {
  Decoder(bytes).decode(out);
}

}  // namespace m2mkd
