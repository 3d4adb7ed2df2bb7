// RandAugment: its text, its draws and its operations (reference/vmoe §5.1).

#include <algorithm>
#include <charconv>
#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

#include <fmt/format.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/data/transforms.hpp>

namespace m2mkd {
namespace {

constexpr double strongest = 10;
constexpr Colour fill{124, 116, 104};  // ImageNet's mean

[[noreturn]] void complain(const std::string& what) {
  throw std::invalid_argument(what + "; write none, or rand-m9-mstd0.5-inc1 (n2 sets the layers)");
}

// The number behind the name of a part.
double number(std::string_view part, std::size_t name, double low, double high) {
  double value = 0;
  const char* end = part.data() + part.size();
  const auto [rest, error] = std::from_chars(part.data() + name, end, value);
  if (error != std::errc{} || rest != end || !(value >= low && value <= high))
    complain(fmt::format("\"{}\": {} takes a number from {} to {}", part, part.substr(0, name), low,
                         high));
  return value;
}

int whole_number(std::string_view part, std::size_t name, double low, double high) {
  const double value = number(part, name, low, high);
  if (value != std::floor(value))
    complain(fmt::format("\"{}\": {} takes a whole number", part, part.substr(0, name)));
  return static_cast<int>(value);
}

void read_part(std::string_view part, RandAugment& options) {
  const std::size_t name = std::min(part.find_first_of("0123456789.-+"), part.size());
  const std::string_view key = part.substr(0, name);
  if (key == "m")
    options.magnitude = number(part, name, 0, strongest);
  else if (key == "mstd")
    options.deviation = number(part, name, 0, 100);
  else if (key == "n")
    options.layers = whole_number(part, name, 1, 100);
  else if (key == "inc")
    options.increasing = whole_number(part, name, 0, 1) == 1;
  else
    complain(fmt::format("\"{}\" is not a part of rand-augment", part));
}

void move(const Affine& map, Image& image, Image& spare) {
  affine(image, map, fill, spare);
  std::swap(image, spare);
}

}  // namespace

RandAugment parse_rand_augment(std::string_view text) {
  RandAugment options;
  if (text == "none") return options;
  options.layers = 2;
  std::size_t begin = std::min(text.find('-'), text.size());
  if (text.substr(0, begin) != "rand")
    complain(fmt::format("\"{}\" does not begin with rand", text));
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find('-', begin + 1), text.size());
    read_part(text.substr(begin + 1, end - begin - 1), options);
    begin = end;
  }
  return options;
}

AugmentStep draw_augment(const RandAugment& options, Random& random) {
  AugmentStep step;
  step.op = static_cast<AugmentOp>(random.below(augment_ops));
  step.applied = random.uniform() < 0.5;
  step.magnitude =
      std::clamp(options.magnitude + options.deviation * random.normal(), 0.0, strongest);
  step.negative = random.uniform() < 0.5;
  return step;
}

void augment(const AugmentStep& step, bool increasing, Image& image, Scratch& scratch) {
  const double level = step.magnitude / strongest;
  const auto steps = [&](int most) { return static_cast<int>(level * most); };
  const auto either = [&](double value) { return step.negative ? -value : value; };
  const auto factor = [&] { return increasing ? 1.0 + either(level * 0.9) : level * 1.8 + 0.1; };
  const auto height = static_cast<double>(image.height), width = static_cast<double>(image.width);
  switch (step.op) {
    case AugmentOp::autocontrast:
      return autocontrast(image);
    case AugmentOp::equalize:
      return equalize(image);
    case AugmentOp::invert:
      return invert(image);
    case AugmentOp::rotate:
      return move(rotation(either(level * 30), image.height, image.width), image, scratch.spare);
    case AugmentOp::posterize:
      return posterize(image, increasing ? 4 - steps(4) : steps(4));
    case AugmentOp::solarize:
      return solarize(image, increasing ? 256 - steps(256) : steps(256));
    case AugmentOp::solarize_add:
      return solarize_add(image, steps(110));
    case AugmentOp::color:
      return color(image, factor());
    case AugmentOp::contrast:
      return contrast(image, factor());
    case AugmentOp::brightness:
      return brightness(image, factor());
    case AugmentOp::sharpness:
      sharpness(image, factor(), scratch.spare);
      return std::swap(image, scratch.spare);
    case AugmentOp::shear_x:
      return move(shear_x(either(level * 0.3)), image, scratch.spare);
    case AugmentOp::shear_y:
      return move(shear_y(either(level * 0.3)), image, scratch.spare);
    case AugmentOp::translate_x:
      return move(translate_x(either(level * 0.45) * width), image, scratch.spare);
    case AugmentOp::translate_y:
      return move(translate_y(either(level * 0.45) * height), image, scratch.spare);
  }
}

}  // namespace m2mkd
