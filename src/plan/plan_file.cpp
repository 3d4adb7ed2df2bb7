#include "plan_file.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/log.hpp>
#include <m2mkd/store/table_file.hpp>

namespace m2mkd {

void PlanFile::read() {
  waves_.clear();
  if (!std::filesystem::exists(path_)) return;
  try {
    const auto json = nlohmann::json::parse(read_text_file(path_));
    if (const int before = json.at("ranks").get<int>(); before != ranks_) {
      log::warn(
          "planned anew for {} ranks (before: {}): from here on results agree with the earlier "
          "start to rounding only",
          ranks_, before);
      return;
    }
    for (const auto& wave : json.at("waves")) waves_[wave.at("wave").get<int>()] = wave.dump();
  } catch (const nlohmann::json::exception& error) {
    log::warn("{} cannot be read [{}]: planned anew", path_.string(), error.what());
    waves_.clear();
  }
}

Wave PlanFile::wave(int number, const std::vector<const Job*>& open,
                    const MachineOptions& machine) {
  if (const auto it = waves_.find(number); it != waves_.end()) {
    Wave recorded = wave_from_json(it->second);
    std::vector<std::string> names;
    for (const auto& group : recorded.groups)
      for (const auto& pack : group.packs)
        names.insert(names.end(), pack.jobs.begin(), pack.jobs.end());
    if (std::ranges::all_of(
            open, [&](const Job* job) { return std::ranges::count(names, job->name) > 0; }))
      return recorded;
  }
  Wave made = make_wave(open, ranks_, machine);
  waves_[number] = wave_json(made, number, ranks_);
  write();
  return made;
}

void PlanFile::write() const {
  nlohmann::json json{
      {"format", "m2mkd plan"}, {"ranks", ranks_}, {"waves", nlohmann::json::array()}};
  for (const auto& [number, text] : waves_) json["waves"].push_back(nlohmann::json::parse(text));
  write_text_file(path_, json.dump(1) + "\n");
}

}  // namespace m2mkd
