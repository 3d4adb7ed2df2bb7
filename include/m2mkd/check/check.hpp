#pragma once
// `m2mkd check`: cheap gates before a long run. Minutes before days.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <m2mkd/comm/session.hpp>
#include <m2mkd/plan/config.hpp>

namespace m2mkd {

/// What a gate says of one thing. Doubtful is a warning; `skipped` says why nothing was looked at.
enum class Verdict { ok, skipped, warning, wrong };
template <>
struct EnumNames<Verdict> {
  static constexpr std::array<std::pair<Verdict, std::string_view>, 4> names{
      {{Verdict::ok, "ok"},
       {Verdict::skipped, "skipped"},
       {Verdict::warning, "warning"},
       {Verdict::wrong, "WRONG"}}};
};

struct Finding {
  std::string
      gate;  ///< data, memory, disk, files, splice, assembly, given, teacher, recorded, pair
  std::string subject;  ///< a job, file or network
  Verdict verdict = Verdict::ok;
  std::string text;  ///< what was found; where it is not ok, why and what to try
};
using Findings = std::vector<Finding>;

struct CheckOptions {
  int ranks = 0;             ///< that the run will have; 0: those it is called on
  std::int64_t steps = 40;   ///< most steps that a pair gets for its batch
  std::int64_t images = 16;  ///< of that batch
  bool all_images = false;   ///< read and decode all images of the data, not a sample
  double seconds = 60;  ///< for everything that trains or evaluates; what is left then is skipped
};

/// All gates of the configuration, the cheapest first. `tell` gets every finding on rank 0 as soon
/// as it is made. Returns the worst verdict, on all ranks. Nothing in the run directory changes.
/// Throws ConfigError for a wrong configuration, CollectiveError when stopped. Collective.
Verdict check(const Config& config, const Session& session, const CheckOptions& options,
              const std::function<void(const Finding&)>& tell);

}  // namespace m2mkd
