#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/log.hpp>
#include <m2mkd/plan/sharing.hpp>
#include <m2mkd/run/plan_file.hpp>
#include <m2mkd/store/digest.hpp>
#include <m2mkd/store/table_file.hpp>
#include <m2mkd/store/text_file.hpp>

namespace m2mkd {

PlanRecord read_plan_record(const std::filesystem::path& path) {
  try {
    const auto json = nlohmann::json::parse(read_text_file(path));
    PlanRecord record{json.value("ranks", 1), {}};
    for (const auto& wave : json.at("waves"))
      for (const auto& group : wave_from_json(wave.dump()).groups)
        for (const auto& pack : group.packs)
          record.jobs.insert(record.jobs.end(), pack.jobs.begin(), pack.jobs.end());
    return record;
  } catch (const nlohmann::json::exception& problem) {
    fail("{}: {}", path.string(), problem.what());
  }
}

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

namespace {

// What the packs of a wave rest on: everything that jobs of one have in common.
nlohmann::json sharing(const std::vector<const Job*>& jobs) {
  auto json = nlohmann::json::object();
  for (const Job* job : jobs) json[job->name] = xxh3_hex(share_key(*job));
  return json;
}

// Why a recorded wave cannot be used for these jobs; empty where it can.
std::string complaint(const nlohmann::json& recorded, const std::vector<const Job*>& open) {
  const auto before = recorded.value("sharing", nlohmann::json::object()), now = sharing(open);
  for (const auto& [name, digest] : now.items()) {
    if (!before.contains(name)) return name + " was not part of it";
    if (before.at(name) != digest) return name + " has other data or batches now";
  }
  return {};
}

}  // namespace

Wave PlanFile::wave(int number, const std::vector<const Job*>& open,
                    const MachineOptions& machine) {
  if (const auto it = waves_.find(number); it != waves_.end()) {
    const auto why = complaint(nlohmann::json::parse(it->second), open);
    if (why.empty()) return wave_from_json(it->second);
    log::info("wave {} is planned anew: {}", number + 1, why);
  }
  Wave made = make_wave(open, ranks_, machine);
  auto json = nlohmann::json::parse(wave_json(made, number, ranks_));
  json["sharing"] = sharing(open);
  waves_[number] = json.dump();
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
