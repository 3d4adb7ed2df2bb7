// plan.json's text of a wave. The first line alone says for how many ranks and jobs it was made.

#include <algorithm>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include <m2mkd/base/error.hpp>
#include <m2mkd/plan/packing.hpp>

namespace m2mkd {
namespace {

using Json = nlohmann::ordered_json;

Json group_json(const RankGroup& group) {
  Json packs = Json::array();
  for (const auto& pack : group.packs)
    packs.push_back({{"jobs", pack.jobs}, {"seconds", pack.seconds}, {"memory", pack.memory}});
  return {{"first", group.first}, {"ranks", group.ranks}, {"packs", packs}};
}

RankGroup group_from(const Json& json) {
  RankGroup group{json.at("first").get<int>(), json.at("ranks").get<int>(), {}};
  for (const auto& pack : json.at("packs"))
    group.packs.push_back({pack.at("jobs").get<std::vector<std::string>>(),
                           pack.at("seconds").get<double>(), pack.at("memory").get<double>()});
  return group;
}

/// Groups must be disjoint slices of the ranks, every job in one pack.
void require_sound(const Wave& wave, int ranks) {
  std::vector<std::string> jobs;
  int next = 0;
  for (const auto& group : wave.groups) {
    if (group.first < next || group.ranks < 1 || group.ranks > ranks - group.first)
      fail("ranks {} and the {} that follow overlap another group or exceed {}", group.first,
           group.ranks, ranks);
    next = group.first + group.ranks;
    if (group.packs.empty()) fail("a group without packs");
    for (const auto& pack : group.packs) {
      if (pack.jobs.empty()) fail("a pack without jobs");
      jobs.insert(jobs.end(), pack.jobs.begin(), pack.jobs.end());
    }
  }
  std::ranges::sort(jobs);
  if (const auto twice = std::ranges::adjacent_find(jobs); twice != jobs.end())
    fail("job {} appears twice", *twice);
}

}  // namespace

std::string wave_json(const Wave& wave, int number, int ranks) {
  Json jobs = Json::array(), groups = Json::array();
  for (const auto& group : wave.groups)
    for (const auto& pack : group.packs)
      for (const auto& job : pack.jobs) jobs.push_back(job);
  std::string text =
      fmt::format("{{\"wave\": {}, \"ranks\": {}, \"jobs\": {},\n \"seconds\": {},\n \"groups\": [",
                  number, ranks, jobs.dump(), Json(wave.seconds()).dump());
  for (std::size_t i = 0; i < wave.groups.size(); ++i)
    text += (i == 0 ? "\n  " : ",\n  ") + group_json(wave.groups[i]).dump();
  return text + "]}\n";
}

Wave wave_from_json(const std::string& text) {
  try {
    const Json json = Json::parse(text);
    Wave wave;
    for (const auto& group : json.at("groups")) wave.groups.push_back(group_from(group));
    require_sound(wave, json.at("ranks").get<int>());
    return wave;
  } catch (const std::exception& e) {
    fail("the text of a wave cannot be read ({}). Remove plan.json: the wave is then planned anew",
         e.what());
  }
}

}  // namespace m2mkd
