#pragma once
// Finished networks that were tested otherwise than a training would be today: on another test set,
// or on another part of it.

#include <m2mkd/comm/session.hpp>
#include <m2mkd/plan/recipe.hpp>
#include <m2mkd/run/build.hpp>
#include <m2mkd/run/watchdog.hpp>

namespace m2mkd {

/// In what the recorded test of a module file (its attributes) is another than the job's of today:
/// "on small (digest 12ab…), 500 of 500 images scored"; empty where it is the same.
std::string test_difference(const Job& job, const Attributes& module);

/// Tests all finished jobs again whose record says another test, and whose training is that of
/// today; the log says which. False when a stop was requested meanwhile. Collective over all ranks.
bool retest_finished(const JobList& list, const Config& config, const RunFolder& folder,
                     const Session& session, Watchdog& watchdog);

}  // namespace m2mkd
