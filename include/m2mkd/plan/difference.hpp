#pragma once
// What differs between two configurations, in their users' words.

#include <map>
#include <string>
#include <vector>

namespace m2mkd {

/// "section.key" → value of a configuration's text (Config::text()); comments are left out.
std::map<std::string, std::string> settings_of(const std::string& ini);

/// "train.lr: 1e-3 -> 2e-3" for every setting that is another one now; what only concerns how a run
/// is carried out ([run], [machine]) is left out.
std::vector<std::string> setting_differences(const std::string& before, const std::string& now);

}  // namespace m2mkd
