#pragma once
// Networks that settings give (init.meta, init.teacher): what they are worth on this data is known
// before anything learns from them.

#include <m2mkd/comm/session.hpp>
#include <m2mkd/plan/recipe.hpp>
#include <m2mkd/run/build.hpp>
#include <m2mkd/run/networks.hpp>
#include <m2mkd/run/watchdog.hpp>
#include <m2mkd/store/table_file.hpp>
#include <m2mkd/train/evaluator.hpp>

namespace m2mkd {

/// Given metas, teachers and students of the jobs, each file once.
std::vector<WholeNetwork> given_files(const JobList& list);
/// Metas and teachers among them: those that something learns from.
std::vector<WholeNetwork> given_networks(const JobList& list);

/// Throws ConfigError where the file remembers other settings that its weights do not show (heads,
/// ...), or where a meta or teacher has other classes than the data; logs where its images were
/// normalised otherwise, and what a file does not tell.
void require_fitting(const WholeNetwork& given);

/// What is wrong with the files that are given to these jobs, all of it: missing, unreadable, of
/// another shape than the network that they are for, made otherwise (require_fitting). Reads the
/// files whole, one after the other.
std::vector<std::string> given_problems(const std::vector<const Job*>& jobs);

/// A given network on all test images.
struct TestedGiven {
  Accuracy accuracy;
  std::string warning;  ///< "no better than always the same answer (10.0 %)", "its loss is not
                        ///< finite"; empty where neither
};
/// Nothing when a stop was requested meanwhile. Collective over the group.
std::optional<TestedGiven> test_given(const WholeNetwork& given, const RunFolder& folder,
                                      const Communicator& group, c10::Device device,
                                      const std::function<void(const std::string&)>& beat);

/// Evaluates those that RUN/given.h5 does not know on this test set yet, logs the accuracies and
/// keeps them there. `digests`: of the given files, on rank 0. False when a stop was requested
/// meanwhile. Throws CollectiveError where a network's answers are not finite. Collective over all
/// ranks.
bool evaluate_given(const JobList& list, const RunFolder& folder, const Digests& digests,
                    const Session& session, Watchdog& watchdog);

/// Groups "given/0", ... of the summary, of today's given networks and test set: attributes
/// network, file, digest, acc1, acc1_standard_error, acc5, loss, test_images, warning.
std::vector<TableGroup> given_groups(const JobList& list, const RunFolder& folder);
/// The same as lines of the comparison table, and their warnings.
std::string given_rows(const TableFile& summary);
std::string given_warnings(const TableFile& summary);
/// Accuracy of the first given "meta" or "teacher"; NaN without one.
double given_acc1(const TableFile& summary, const std::string& network);

}  // namespace m2mkd
