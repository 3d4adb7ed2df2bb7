#pragma once
// Temporary files that killed programs left behind.

#include <filesystem>
#include <functional>
#include <string>

namespace m2mkd {

/// The file for which `name` is the temporary one: "a.h5" for "a.h5.tmp.812"; empty for every other
/// name. Every writer of this program makes its files so.
std::string final_name(const std::string& name);

/// Removes such files from `folder`, not from folders in it, where `ours` accepts the target
/// name. What cannot be removed is a warning; an absent folder has none.
void remove_leftovers(const std::filesystem::path& folder,
                      const std::function<bool(const std::string& target)>& ours);

}  // namespace m2mkd
