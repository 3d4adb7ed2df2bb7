#pragma once
// Small text files, whole.

#include <filesystem>
#include <string>

namespace m2mkd {

/// Written whole or not at all (config.ini, plan.json, status).
void write_text_file(const std::filesystem::path& path, const std::string& text);
/// Throws Error with the reason.
std::string read_text_file(const std::filesystem::path& path);

}  // namespace m2mkd
