#include "parallel.hpp"

#include <chrono>
#include <cstdio>
#include <thread>

#include <m2mkd/base/foreign.hpp>
#include <m2mkd/base/log.hpp>
#include <m2mkd/base/stop.hpp>
#include <m2mkd/comm/on_root.hpp>
#include <m2mkd/plan/recipe.hpp>

namespace m2mkd {

ExitCode in_session(const std::function<ExitCode(Session& session)>& work) {
  stop::install();
  Session session;
  const auto& world = session.world();
  log::set_speaker(world.rank(), world.size(), world.rank() == 0);
  try {
    return work(session);
  } catch (const CollectiveError& error) {
    if (world.rank() == 0) std::fprintf(stderr, "m2mkd: %s\n", sentence_of(error).c_str());
    return error.code();
  } catch (const Error& error) {
    if (world.size() == 1) throw;
    log::error("{}", sentence_of(error));
    // The others may have the same to say: a moment for their messages.
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    Session::abort(static_cast<int>(error.code()));
  } catch (const std::exception& error) {
    if (world.size() == 1) throw;
    log::error("{}", sentence_of(error));
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    Session::abort(static_cast<int>(ExitCode::failed));
  }
}

Config shared_config(const std::vector<std::string>& files, const CommandLine& line,
                     Session& session) {
  const std::string text = on_root(session.world(), [&] {
    const Config read = read_config(files, line);
    make_jobs(read);  // whatever is wrong with settings and data shows before anything is made
    return read.text();
  });
  const Config config = Config::from_text(text, files.front());
  if (config.run.threads > 0) session.set_threads(static_cast<int>(config.run.threads));
  return config;
}

}  // namespace m2mkd
