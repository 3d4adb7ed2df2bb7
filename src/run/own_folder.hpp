#pragma once
// A run's folder as a place among other people's files: what in it is ours.

#include <m2mkd/run/build.hpp>

namespace m2mkd {

/// Throws Error (exit code 2) that names what is in the way where the folder holds things under
/// this program's names that no run wrote, or lies in or around the folder of another run. Changes
/// nothing.
void require_own(const RunFolder& folder);

/// Replaces config.ini. Its first line tells later starts that it is ours.
void write_config(const RunFolder& folder, const std::string& text);

/// Makes the folders of a run, and removes the temporary files of killed writers from these alone.
void prepare_folders(const RunFolder& folder);

}  // namespace m2mkd
