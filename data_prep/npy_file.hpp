#pragma once
// NumPy's .npy files, versions 1 to 3: C order, little endian.

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

namespace m2mkd::pack {

struct NpyHeader {
  char kind = '?';        ///< as NumPy writes it: 'u', 'i', 'f', …
  std::int64_t item = 0;  ///< bytes per element
  std::vector<std::int64_t> shape;
  std::int64_t data = 0;  ///< where the elements begin in the file
  std::string type() const { return kind + std::to_string(item); }  ///< "u1", "f4"
  std::string shape_text() const;
};

class NpyFile {
 public:
  /// Throws Error for anything but a sound file in C order, little endian.
  explicit NpyFile(std::filesystem::path path);
  const NpyHeader& header() const { return header_; }
  /// The next elements' bytes.
  void read(std::span<std::byte> out);

 private:
  std::string read_dictionary();
  void parse(const std::string& dictionary);
  void check_size();
  [[noreturn]] void refuse(const std::string& why) const;

  std::filesystem::path path_;
  std::ifstream in_;
  NpyHeader header_;
};

}  // namespace m2mkd::pack
