#pragma once
// What the tests of this room share: a folder that goes away, and ways to damage files.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/store/table_file.hpp>
#include <m2mkd/store/text_file.hpp>

namespace m2mkd::test {

class Scratch : public testing::Test {
 protected:
  Scratch() {
    std::string pattern = (std::filesystem::temp_directory_path() / "m2mkd_store_XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~Scratch() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path at(const std::string& name) const { return folder_ / name; }
  const std::filesystem::path& folder() const { return folder_; }

  /// Flips one bit of the first occurrence of `pattern`; fails the test when there is none.
  static void damage(const std::filesystem::path& path, const std::string& pattern) {
    auto bytes = read_text_file(path);
    const auto place = bytes.find(pattern);
    ASSERT_NE(place, std::string::npos) << "pattern is not in the file";
    bytes[place] = static_cast<char>(bytes[place] ^ 1);
    std::ofstream(path, std::ios::binary) << bytes;
  }

  /// Runs a Python script that may use h5py, with `file` as its argument; its exit status, or -1
  /// where h5py is missing.
  int python(const std::string& script, const std::filesystem::path& file) const {
    if (std::system("/usr/bin/python3 -c 'import h5py, numpy' 2>/dev/null") != 0) return -1;
    std::ofstream(at("script.py")) << "import sys, h5py, numpy as np\n" << script;
    const auto command =
        "/usr/bin/python3 '" + at("script.py").string() + "' '" + file.string() + "'";
    return std::system(command.c_str());
  }

 private:
  std::filesystem::path folder_;
};

/// The message of the Error that `body` throws; fails the test when it throws none.
template <class Body>
std::string message_of(Body body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "no m2mkd::Error was thrown";
  return "";
}

}  // namespace m2mkd::test
