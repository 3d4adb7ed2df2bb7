#pragma once
// What a packed file and the options must agree on.

#include <string>
#include <vector>

#include <m2mkd/data/options.hpp>
#include <m2mkd/store/image_file.hpp>

namespace m2mkd {

/// "pack it with: …"
std::string pack_hint(const std::filesystem::path& file);

/// Contradictions between the file's header and the options. `key` names the file in messages:
/// "data.train", or that of a file to evaluate on, whose path is `options.test`.
std::vector<std::string> contradictions(const ImageFileInfo& info, const DataOptions& options,
                                        const std::string& key, std::int64_t expected_count);

/// Mean and standard deviation per channel that apply to pixels: the options', else the file's.
const std::vector<double>& pixel_mean(const ImageFileInfo& info, const DataOptions& options);
const std::vector<double>& pixel_std(const ImageFileInfo& info, const DataOptions& options);

}  // namespace m2mkd
