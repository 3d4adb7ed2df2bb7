#pragma once
// The folder of a run: what in it lies where, and what of it is ours. No other file knows.

#include <filesystem>
#include <string>
#include <vector>

namespace m2mkd {

struct Source;

struct RunFolder {
  std::filesystem::path dir;

  // One file each.
  std::filesystem::path config() const { return dir / "config.ini"; }
  std::filesystem::path plan() const { return dir / "plan.json"; }
  std::filesystem::path summary() const { return dir / "summary.h5"; }
  std::filesystem::path given() const { return dir / "given.h5"; }
  std::filesystem::path log() const { return dir / "run.log"; }
  std::filesystem::path lock() const { return dir / "lock"; }
  std::filesystem::path stops() const { return dir / "status" / "stops.txt"; }
  // One of each job; checkpoints are a folder (store/checkpoint.hpp).
  std::filesystem::path module(const std::string& job) const;
  std::filesystem::path checkpoints(const std::string& job) const;
  std::filesystem::path metrics(const std::string& job) const;
  std::filesystem::path status(const std::string& job) const;
  /// `key`: 16 hex digits of what a graph prior depends on.
  std::filesystem::path prior(const std::string& key) const;
  /// The module file of the source's job, or the given file.
  std::filesystem::path file(const Source& source) const;

  /// Is there anything that a run leaves?
  bool holds_run() const;
  /// Jobs that left a module file or a status, sorted by these.
  std::vector<std::string> traces() const;

  /// Throws Error (exit code 2) that names what is in the way where the folder holds things under
  /// this program's names that no run wrote, or lies in or around the folder of another run.
  /// Changes nothing.
  void require_own() const;
  /// Replaces config.ini. Its first line tells later starts that it is ours.
  void write_config(const std::string& text) const;
  /// Makes the folders of a run, and removes the temporary files of killed writers from these
  /// alone.
  void prepare() const;
};

}  // namespace m2mkd
