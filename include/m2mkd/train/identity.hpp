#pragma once
// What makes two trainings the same one, as text: sorted lines "key = value".

#include <string>
#include <vector>

namespace m2mkd {

/// The lines of two identities that differ, as "key: old -> new".
std::vector<std::string> identity_differences(const std::string& before, const std::string& now);

}  // namespace m2mkd
