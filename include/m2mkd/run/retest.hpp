#pragma once
// Finished networks that were tested otherwise than a training would be today: on another test set,
// or on another part of it.

#include <m2mkd/comm/session.hpp>
#include <m2mkd/plan/recipe.hpp>
#include <m2mkd/run/build.hpp>
#include <m2mkd/run/watchdog.hpp>
#include <m2mkd/store/table_file.hpp>

namespace m2mkd {

/// In what the rows of an evaluation in a module file (its attributes and tables) are others than
/// the job's of today would be: "on small (digest 12ab…), 500 of 500 images scored", "not
/// yet"; empty where they are the same.
std::string test_difference(const Job& job, const Evaluation& evaluation, const TableFile& module);
/// The same of `test`.
std::string test_difference(const Job& job, const TableFile& module);

/// Scores all finished jobs again by those evaluations of which the record says something else, and
/// whose training is that of today; the log says which. False when a stop was requested meanwhile.
/// Collective over all ranks.
bool retest_finished(const JobList& list, const Config& config, const RunFolder& folder,
                     const Session& session, Watchdog& watchdog);

}  // namespace m2mkd
