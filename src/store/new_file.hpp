#pragma once
// An HDF5 file in the making.

#include "atomic_file.hpp"
#include "h5.hpp"

namespace m2mkd::h5 {

/// Created beside its target and put in its place by finish(). Use it under a Lock, its destructor
/// included.
class NewFile {
 public:
  explicit NewFile(const std::filesystem::path& target);
  ~NewFile();

  /// Runs `body(file)`; its errors say which file could not be written and what to try.
  template <class Body>
  void write(Body body) {
    try {
      body(static_cast<hid_t>(file_));
    } catch (const Error& problem) {
      place_.give_up(problem.what());
    }
  }
  void finish();

 private:
  AtomicFile place_;
  File file_;
};

}  // namespace m2mkd::h5
