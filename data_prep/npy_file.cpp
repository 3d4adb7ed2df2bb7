#include "npy_file.hpp"

#include <array>
#include <regex>

#include <m2mkd/base/error.hpp>

namespace m2mkd::pack {

std::string NpyHeader::shape_text() const {
  std::string text;
  for (const auto n : shape) text += (text.empty() ? "" : ", ") + std::to_string(n);
  return "(" + text + ")";
}

NpyFile::NpyFile(std::filesystem::path path)
    : path_(std::move(path)), in_(path_, std::ios::binary) {
  if (!in_ || std::filesystem::is_directory(path_))
    fail("{}: cannot be opened as a file", path_.string());
  parse(read_dictionary());
  check_size();
}

void NpyFile::refuse(const std::string& why) const {
  fail("{}: {}", path_.string(), why);
}

void NpyFile::read(std::span<std::byte> out) {
  in_.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(out.size()));
  if (!in_) refuse("ends too early: the file changed while it was read");
}

// "\x93NUMPY", major, minor, length of the dictionary (2 bytes in version 1, else 4), the
// dictionary as Python text.
std::string NpyFile::read_dictionary() {
  std::array<unsigned char, 8> start{};
  in_.read(reinterpret_cast<char*>(start.data()), start.size());
  if (!in_ || std::string(start.begin(), start.begin() + 6) != "\x93NUMPY")
    refuse("not a .npy file: write it with numpy.save()");
  if (start[6] < 1 || start[6] > 3)
    refuse(fmt::format(".npy version {} is unknown: write it with numpy.save()", start[6]));
  std::array<unsigned char, 4> bytes{};
  const int width = start[6] == 1 ? 2 : 4;
  in_.read(reinterpret_cast<char*>(bytes.data()), width);
  std::size_t length = 0;
  for (int k = width - 1; k >= 0; --k) length = length << 8 | bytes[static_cast<std::size_t>(k)];
  if (!in_ || length > 1 << 20) refuse("damaged header");
  std::string dictionary(length, '\0');
  in_.read(dictionary.data(), static_cast<std::streamsize>(length));
  if (!in_) refuse("damaged header");
  header_.data = 8 + width + static_cast<std::int64_t>(length);
  return dictionary;
}

// {'descr': '<f4', 'fortran_order': False, 'shape': (60000, 28, 28), }
void NpyFile::parse(const std::string& dictionary) {
  static const std::regex type(R"('descr'\s*:\s*'([<>|=]?)([A-Za-z])(\d+)')");
  static const std::regex order(R"('fortran_order'\s*:\s*(True|False))");
  static const std::regex shape(R"('shape'\s*:\s*\(([\d,\s]*)\))");
  std::smatch match;
  if (!std::regex_search(dictionary, match, type) || match[3].length() > 3)
    refuse("elements are not plain numbers; save an ordinary numeric array");
  header_.kind = match[2].str()[0];
  header_.item = std::stoll(match[3]);
  if (match[1] == ">" && header_.item > 1)
    refuse("big-endian elements: save array.astype(array.dtype.newbyteorder('<'))");
  if (!std::regex_search(dictionary, match, order)) refuse("damaged header: no fortran_order");
  if (match[1] == "True") refuse("Fortran order: save numpy.ascontiguousarray(array)");
  if (!std::regex_search(dictionary, match, shape)) refuse("damaged header: no shape");
  const std::string sizes = match[1];
  static const std::regex number(R"(\d+)");
  for (std::sregex_iterator i(sizes.begin(), sizes.end(), number), end; i != end; ++i) {
    if (i->length() > 12) refuse("damaged header: a size of " + i->str());
    header_.shape.push_back(std::stoll(i->str()));
  }
}

void NpyFile::check_size() {
  std::int64_t bytes = header_.item;
  for (const auto n : header_.shape)
    if (__builtin_mul_overflow(bytes, n, &bytes)) refuse("damaged header: the sizes overflow");
  const auto have = static_cast<std::int64_t>(std::filesystem::file_size(path_)) - header_.data;
  if (have != bytes)
    refuse(fmt::format("truncated or damaged: shape {} of {} needs {} bytes, the file has {}",
                       header_.shape_text(), header_.type(), bytes, have));
}

}  // namespace m2mkd::pack
