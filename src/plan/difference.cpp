#include <set>
#include <sstream>

#include <m2mkd/plan/difference.hpp>

namespace m2mkd {

std::map<std::string, std::string> settings_of(const std::string& ini) {
  std::map<std::string, std::string> settings;
  std::istringstream lines(ini);
  std::string section;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('[')) section = line.substr(1, line.find(']') - 1) + ".";
    const auto equals = line.find(" =");
    if (line.starts_with('[') || line.starts_with('#') || equals == std::string::npos) continue;
    const auto value = line.find_first_not_of(' ', equals + 2);
    settings[section + line.substr(0, equals)] =
        value == std::string::npos ? "" : line.substr(value);
  }
  return settings;
}

std::vector<std::string> setting_differences(const std::string& before, const std::string& now) {
  const auto a = settings_of(before), b = settings_of(now);
  std::set<std::string> keys;
  for (const auto* map : {&a, &b})
    for (const auto& [key, value] : *map) keys.insert(key);
  std::vector<std::string> differences;
  const auto value = [](const auto& map, const std::string& key) {
    const auto it = map.find(key);
    return it == map.end() ? std::string("(not set)") : it->second;
  };
  for (const auto& key : keys)
    if (!key.starts_with("run.") && !key.starts_with("machine.") && value(a, key) != value(b, key))
      differences.push_back(key + ": " + value(a, key) + " -> " + value(b, key));
  return differences;
}

}  // namespace m2mkd
