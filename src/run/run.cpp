#include <algorithm>
#include <memory>
#include <optional>
#include <set>

#include <m2mkd/base/build_info.hpp>
#include <m2mkd/base/log.hpp>
#include <m2mkd/base/stop.hpp>
#include <m2mkd/base/stopwatch.hpp>
#include <m2mkd/comm/on_root.hpp>
#include <m2mkd/nn/weights.hpp>
#include <m2mkd/plan/packing.hpp>
#include <m2mkd/run/evaluation_images.hpp>
#include <m2mkd/run/given.hpp>
#include <m2mkd/run/heartbeat.hpp>
#include <m2mkd/run/plan_file.hpp>
#include <m2mkd/run/remaining.hpp>
#include <m2mkd/run/retest.hpp>
#include <m2mkd/run/run.hpp>
#include <m2mkd/store/folder_lock.hpp>
#include <m2mkd/store/table_file.hpp>
#include <m2mkd/store/text_file.hpp>

#include "job_state.hpp"
#include "start_table.hpp"
#include "wave_run.hpp"

namespace m2mkd {

namespace {

// Digests of everything the jobs of a wave start from; those of given files are known.
Digests wave_digests(const std::vector<const Job*>& jobs, const RunFolder& folder,
                     const Digests& given) {
  Digests digests = given;
  for (const Job* job : jobs)
    for (const auto& source : job->sources()) {
      if (const auto key = digest_key(source); !digests.contains(key))
        digests[key] = weights_digest(folder.file(source));
    }
  return digests;
}

// Stopped again and again without a step gained: requeueing would go on for ever.
ExitCode stopped_code(const JobList& list, const RunFolder& folder) {
  constexpr int limit = 5;
  const auto path = folder.stops();
  const std::string now = progress_fingerprint(list, folder);
  int count = 0;
  if (std::filesystem::exists(path)) {
    const std::string text = read_text_file(path);
    if (text.starts_with(now)) count = std::stoi(text.substr(now.size() + 1)) + 1;
  }
  write_text_file(path, now + " " + std::to_string(count) + "\n");
  if (count < limit) return ExitCode::stopped;
  log::error(
      "stopped {} times in a row without gaining a step: give each start more time than loading "
      "takes",
      count + 1);
  return ExitCode::no_progress;
}

void log_time_left(const JobList& list, const RunFolder& folder, int ranks,
                   const MachineOptions& machine) {
  const auto measured = measured_machine(list, folder, machine);
  log::info(
      "about {} left for the whole run, {}",
      duration_text(seconds_left(list, shares_left(list, folder), ranks, measured)),
      measured.gflops == machine.gflops ? "by [machine]" : "at the rate of its finished jobs");
}

// The signal, whichever rank got it. Collective.
std::string stop_reason(const Communicator& world) {
  std::string reason = "a request";
  for (const auto& text : world.all_gather(stop::reason()))
    if (text.starts_with("SIG")) reason = text;
  return reason;
}

}  // namespace

ExitCode run(const Config& config, const Session& session, const AtEnd& at_end) {
  const Communicator& world = session.world();
  const bool root = world.rank() == 0;
  const RunFolder folder{config.run.dir};
  std::optional<FolderLock> lock;
  Watchdog watchdog(config.run.watchdog_seconds, [rank = world.rank()](const std::string& text) {
    log::error("rank {}: {}", rank, text);
    Session::abort(static_cast<int>(ExitCode::failed));
  });
  Heartbeat heart(world, watchdog);
  const JobList list = make_jobs(config);
  const auto jobs = selected_jobs(list, config.run);
  const auto require_given = [&] {
    if (const auto problems = given_problems(jobs); !problems.empty()) throw ConfigError(problems);
  };
  bool new_folder = false;
  on_root(world, [&] {
    folder.require_own();
    new_folder = !std::filesystem::exists(folder.dir);
    if (new_folder) require_given();  // a refused start leaves no folder
    lock.emplace(folder.dir, LockRules{.lost = [](const std::string& message) {
                   log::error("{}", message);
                   Session::abort(static_cast<int>(ExitCode::failed));
                 }});
    return std::string();
  });

  // Nothing in the folder changes before everything that can refuse this start has agreed.
  if (const auto mine = data_digests(list); mine != world.broadcast(mine, 0))
    fail("rank {} sees other data files than rank 0 [exchanged while this began, or not shared]",
         world.rank());
  Digests given;
  const bool work_left =
      !on_root(world, [&] {
         try {
           if (!would_accept(jobs, folder, config, given)) return std::string();
         } catch (const Error&) {
           require_given();  // says more than the first that is missing
           throw;
         }
         std::set<std::string> seen;
         for (const Job* job : jobs)
           for (const auto& evaluation : job->evaluations)
             if (const auto& data = evaluation.data;
                 seen.insert(data.train.string() + "\n" + data.test.string()).second)
               require_verified(data);
         if (!given.empty() && !new_folder) require_given();
         return std::string("open");
       }).empty();
  if (work_left)
    decode_evaluation_images(jobs, world, [&](const std::string& what) { heart.beat(what); });
  on_root(world, [&] {
    folder.write_config(config.text());
    folder.prepare();
    log::open_file(folder.log());
    return std::string();
  });

  const auto waves = assign_waves(list, world.size(), config.machine);
  print_start_table(session, config, list);
  PlanFile plan(folder.plan(), world.size());
  if (root) {
    plan.read();
    print_plan(list, folder, waves, world.size(), config.machine);
  }

  const auto stopped = [&] {
    const std::string code = on_root(
        world, [&] { return std::to_string(static_cast<int>(stopped_code(list, folder))); });
    const std::string reason = stop_reason(world);
    if (root) log::warn("stopped on {}: checkpoints are saved; the same command continues", reason);
    return static_cast<ExitCode>(std::stoi(code));
  };
  if (work_left && !evaluate_given(list, folder, given, session, watchdog)) return stopped();
  for (std::size_t w = 0; w < waves.size(); ++w) {
    const int number = static_cast<int>(w);
    // Rank 0 looks at the files and decides; the others are told the groups and the digests.
    const std::string told = on_root(world, [&] {
      std::vector<const Job*> open, all;
      for (const auto& name : waves[w])
        if (const Job& job = list.find(name); std::ranges::count(jobs, &job) > 0)
          all.push_back(&job);
      const Digests digests = wave_digests(all, folder, given);
      for (const Job* job : all) {
        if (!is_finished(*job, folder, digests, config)) open.push_back(job);
      }
      return open.empty() ? std::string()
                          : wave_order_text(plan.wave(number, open, config.machine), open, digests);
    });
    if (told.empty()) {
      log::info("wave {} of {}: all jobs are finished", w + 1, waves.size());
      continue;
    }
    const WaveOrder order = wave_order_from_text(told);
    if (root) {
      print_wave(order, number, static_cast<int>(waves.size()));
      if (w > 0) log_time_left(list, folder, world.size(), config.machine);
    }
    if (run_wave(order, number, list, config, folder, session, watchdog) == Outcome::stopped)
      return stopped();
  }
  if (!retest_finished(list, config, folder, session, watchdog)) return stopped();

  on_root(world, [&] {
    at_end(list, folder);
    std::filesystem::remove(folder.stops());
    return std::string();
  });
  return ExitCode::finished;
}

}  // namespace m2mkd
