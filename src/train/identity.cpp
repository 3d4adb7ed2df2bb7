#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include <m2mkd/train/identity.hpp>

namespace m2mkd {

namespace {

// What files of earlier versions do not tell.
constexpr const char* later_key = "data.normalisation";

std::map<std::string, std::string> parse(const std::string& identity) {
  std::map<std::string, std::string> values;
  std::istringstream in(identity);
  for (std::string line; std::getline(in, line);)
    if (const auto at = line.find(" = "); at != std::string::npos)
      values[line.substr(0, at)] = line.substr(at + 3);
  return values;
}

// Weights that a setting gives are the same under another file name: their digests are compared.
void forget_names(std::map<std::string, std::string>& a, std::map<std::string, std::string>& b) {
  for (auto it = a.begin(); it != a.end();) {
    const auto twin = std::ranges::find_if(b, [&](const auto& line) {
      return line.first.starts_with("digest.") && line.second == it->second &&
             !a.contains(line.first);
    });
    const bool renamed =
        it->first.starts_with("digest.") && !b.contains(it->first) && twin != b.end();
    if (renamed) b.erase(twin);
    it = renamed ? a.erase(it) : std::next(it);
  }
}

}  // namespace

std::vector<std::string> identity_differences(const std::string& before, const std::string& now) {
  auto a = parse(before), b = parse(now);
  forget_names(a, b);
  std::vector<std::string> differences;
  const auto value = [](const auto& map, const std::string& key) {
    const auto it = map.find(key);
    return it == map.end() ? std::string("(none)") : it->second;
  };
  std::set<std::string> keys;
  for (const auto* map : {&a, &b})
    for (const auto& [key, text] : *map) keys.insert(key);
  if (!a.contains(later_key)) keys.erase(later_key);
  for (const auto& key : keys)
    if (value(a, key) != value(b, key))
      differences.push_back(key + ": " + value(a, key) + " -> " + value(b, key));
  return differences;
}

}  // namespace m2mkd
