#pragma once
// What is left to do for a job whose module file is written.

#include <filesystem>

#include <m2mkd/store/table_file.hpp>

namespace m2mkd {

/// `module`: attributes and tables of its file. Its checkpoints go, unless attribute
/// `checkpoint_kept` says otherwise, and its status says finished. Called by who writes it, and by
/// a start that finds the module file of a program that died before this was done. Without a status
/// file's name none is written.
void complete(const TableFile& module, const std::filesystem::path& checkpoints,
              const std::filesystem::path& status_file);

}  // namespace m2mkd
