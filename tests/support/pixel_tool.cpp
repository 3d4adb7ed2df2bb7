// Carries out pixel operations for tests in other languages. Reads requests from stdin until it
// ends:   operation bytes height width channels [numbers...] \n  then `bytes` bytes (pixels, or a
// JPEG file). Answers   height width channels \n  and the pixels, or   error: text \n.

#include <cstddef>
#include <functional>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <m2mkd/base/error.hpp>
#include <m2mkd/data/image.hpp>
#include <m2mkd/data/transforms.hpp>

namespace m2mkd {
namespace {

using Numbers = std::vector<double>;
using Operation = std::function<void(const Numbers&, Image&)>;

std::int64_t whole(double x) {
  return static_cast<std::int64_t>(x);
}
Box box(const Numbers& p) {
  return {whole(p.at(0)), whole(p.at(1)), whole(p.at(2)), whole(p.at(3))};
}

// An operation from one image to another, as one in place.
template <class F>
Operation into(F f) {
  return [f](const Numbers& p, Image& image) {
    Image out;
    f(p, std::as_const(image), out);
    image = std::move(out);
  };
}

Operation blend(void (*f)(Image&, double)) {
  return [f](const Numbers& p, Image& image) { f(image, p.at(0)); };
}

Operation plain(void (*f)(Image&)) {
  return [f](const Numbers&, Image& image) { f(image); };
}

Operation decode() {
  return into([](const Numbers&, const Image& file, Image& out) {
    const auto bytes = std::as_bytes(std::span(file.pixels));
    decode_jpeg(bytes, out);
    const ImageSize size = jpeg_size(bytes);
    require(size.height == out.height && size.width == out.width,
            "the header tells the size of the image");
  });
}

const std::map<std::string, Operation>& operations() {
  constexpr Colour fill{124, 116, 104};
  static const std::map<std::string, Operation> table{
      {"jpeg", decode()},
      {"crop", into([](const Numbers& p, const Image& in, Image& out) { crop(in, box(p), out); })},
      {"flip", plain(flip_horizontal)},
      {"resize", into([](const Numbers& p, const Image& in, Image& out) {
         resize_bicubic(in, box(p), whole(p.at(4)), whole(p.at(5)), out);
       })},
      {"eval", into([](const Numbers& p, const Image& in, Image& out) {
         Scratch scratch;
         TransformOptions options;
         options.size = whole(p.at(0));
         options.eval_crop = p.at(1);
         eval_transform(in, options, out, scratch);
       })},
      {"affine", into([=](const Numbers& p, const Image& in, Image& out) {
         affine(in, {p.at(0), p.at(1), p.at(2), p.at(3), p.at(4), p.at(5)}, fill, out);
       })},
      {"rotate", into([=](const Numbers& p, const Image& in, Image& out) {
         affine(in, rotation(p.at(0), in.height, in.width), fill, out);
       })},
      {"autocontrast", plain(autocontrast)},
      {"equalize", plain(equalize)},
      {"invert", plain(invert)},
      {"posterize", [](const Numbers& p, Image& i) { posterize(i, static_cast<int>(p.at(0))); }},
      {"solarize", [](const Numbers& p, Image& i) { solarize(i, static_cast<int>(p.at(0))); }},
      {"solarize_add",
       [](const Numbers& p, Image& i) { solarize_add(i, static_cast<int>(p.at(0))); }},
      {"brightness", blend(brightness)},
      {"contrast", blend(contrast)},
      {"color", blend(color)},
      {"sharpness",
       into([](const Numbers& p, const Image& in, Image& out) { sharpness(in, p.at(0), out); })},
      {"augment",
       [](const Numbers& p, Image& image) {
         Scratch scratch;
         augment({static_cast<AugmentOp>(p.at(0)), true, p.at(1), p.at(2) != 0}, p.at(3) != 0,
                 image, scratch);
       }},
  };
  return table;
}

void answer(const std::string& line) {
  std::istringstream words(line);
  std::string name;
  std::size_t bytes = 0;
  Image image;
  words >> name >> bytes >> image.height >> image.width >> image.channels;
  Numbers numbers;
  for (double x; words >> x;) numbers.push_back(x);
  image.pixels.resize(bytes);
  std::cin.read(reinterpret_cast<char*>(image.pixels.data()), static_cast<std::streamsize>(bytes));
  try {
    operations().at(name)(numbers, image);
    std::cout << image.height << ' ' << image.width << ' ' << image.channels << '\n';
    std::cout.write(reinterpret_cast<const char*>(image.pixels.data()),
                    static_cast<std::streamsize>(image.pixels.size()));
  } catch (const std::exception& e) {
    std::cout << "error: " << e.what() << '\n';
  }
  std::cout.flush();
}

}  // namespace
}  // namespace m2mkd

int main() {
  std::ios::sync_with_stdio(false);
  for (std::string line; std::getline(std::cin, line);) m2mkd::answer(line);
}
