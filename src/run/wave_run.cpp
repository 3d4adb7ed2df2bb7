#include "wave_run.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

#include <nlohmann/json.hpp>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/log.hpp>
#include <m2mkd/base/stop.hpp>
#include <m2mkd/comm/on_root.hpp>
#include <m2mkd/run/heartbeat.hpp>
#include <m2mkd/run/prior_files.hpp>

namespace m2mkd {

namespace {

const RankGroup* group_of(const Wave& wave, int rank, int& index) {
  index = 0;
  for (const auto& group : wave.groups) {
    if (rank >= group.first && rank < group.first + group.ranks) return &group;
    ++index;
  }
  index = -1;
  return nullptr;
}

double unix_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

Outcome run_pack(const std::vector<std::string>& names, const RankGroup& group, int wave,
                 const WaveOrder& order, const JobList& list, const Config& config,
                 const RunFolder& folder, const TrainContext& context) {
  Builder builder(folder, order.digests, context.group, context.device);
  std::vector<Task> pack;
  for (const auto& name : names) {
    context.beat("loading " + name);
    pack.push_back(
        builder.task(list.find(name), {{"config", config.text()},
                                       {"wave", static_cast<std::int64_t>(wave)},
                                       {"first_rank", static_cast<std::int64_t>(group.first)},
                                       {"started", unix_seconds()}}));
  }
  return Trainer(std::move(pack), context).run();
}

// What a group has failed on: all its ranks know the code, its root the message.
struct Failure {
  ExitCode code = ExitCode::finished;
  std::string message;
};

// Throws on all ranks where some group has failed.
void fail_together(const Failure& mine, const Communicator& world) {
  std::vector<double> code{static_cast<double>(mine.code)};
  world.max(code);
  if (code[0] == 0) return;
  std::string all;
  for (const auto& text : world.all_gather(mine.message))
    if (!text.empty()) all += (all.empty() ? "" : "\n") + text;
  throw CollectiveError(all, static_cast<ExitCode>(static_cast<int>(code[0])));
}

// A group that is ready waits here without burning a core, and still hears of a stop.
void meet(const Communicator& world, Watchdog& watchdog) {
  const Watchdog::Waiting waiting(watchdog);
  Pending barrier = world.start_barrier();
  while (!barrier.test()) {
    if (world.stop_heard()) stop::request();
    if (stop::requested()) world.tell_stop();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

}  // namespace

std::string wave_order_text(const Wave& wave, const std::vector<const Job*>& open,
                            const Digests& digests) {
  int ranks = 0;
  for (const auto& group : wave.groups) ranks = std::max(ranks, group.first + group.ranks);
  nlohmann::json json{{"wave", nlohmann::json::parse(wave_json(wave, 0, ranks))},
                      {"open", nlohmann::json::array()},
                      {"digests", digests}};
  for (const Job* job : open) json["open"].push_back(job->name);
  return json.dump();
}

WaveOrder wave_order_from_text(const std::string& text) {
  const auto json = nlohmann::json::parse(text);
  return {wave_from_json(json.at("wave").dump()), json.at("open").get<std::vector<std::string>>(),
          json.at("digests").get<Digests>()};
}

Outcome run_wave(const WaveOrder& order, int number, const JobList& list, const Config& config,
                 const RunFolder& folder, const Session& session, Watchdog& watchdog) {
  const Communicator& world = session.world();
  int index = -1;
  const RankGroup* group = group_of(order.wave, world.rank(), index);
  TrainContext context;
  context.world = world;
  context.group = world.split(index);
  context.device = session.device();
  Heartbeat heart(world, watchdog);
  context.beat = [&](const std::string& what) { heart.beat(what); };
  Outcome outcome = Outcome::finished;
  Failure failure;
  std::vector<const Job*> open;
  for (const auto& name : order.open) open.push_back(&list.find(name));
  context.beat("fitting graph priors");
  fit_priors(open, folder, world);
  if (group != nullptr) {
    log::set_speaker(world.rank(), world.size(), context.group.rank() == 0);
    if (context.group.rank() == 0) log::open_file(folder.log());
    for (const auto& pack : group->packs) {
      std::vector<std::string> names;
      for (const auto& name : pack.jobs)
        if (std::ranges::count(order.open, name) > 0) names.push_back(name);
      if (names.empty()) continue;
      heart.works_on(names.size() == 1
                         ? names.front()
                         : fmt::format("{} and {} more", names.front(), names.size() - 1));
      // Packs begin with the same answer on every rank of the group to "was a stop requested?".
      std::vector<double> stop{stop::requested() || world.stop_heard() ? 1.0 : 0.0};
      context.group.sum(stop);
      if (stop[0] > 0) outcome = Outcome::stopped;
      if (outcome == Outcome::stopped) break;
      try {
        outcome = run_pack(names, *group, number, order, list, config, folder, context);
      } catch (
          const CollectiveError& error) {  // the group has left together; the others shall save
        failure = {error.code(), error.what()};
        outcome = Outcome::stopped;
      }
      if (outcome == Outcome::stopped) break;
    }
    if (outcome == Outcome::stopped && context.group.rank() == 0) world.tell_stop();
  }
  meet(world, watchdog);
  fail_together(failure, world);
  log::set_speaker(world.rank(), world.size(), world.rank() == 0);
  std::vector<double> stopped{outcome == Outcome::stopped || stop::requested() ? 1.0 : 0.0};
  world.sum(stopped);
  return stopped[0] > 0 ? Outcome::stopped : Outcome::finished;
}

}  // namespace m2mkd
