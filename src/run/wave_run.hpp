#pragma once
// One wave at work: ranks form groups, each works through its packs, all meet at the end.

#include <m2mkd/comm/session.hpp>
#include <m2mkd/plan/packing.hpp>
#include <m2mkd/plan/recipe.hpp>
#include <m2mkd/run/build.hpp>
#include <m2mkd/run/watchdog.hpp>

namespace m2mkd {

/// What rank 0 tells the others before a wave.
struct WaveOrder {
  Wave wave;
  std::vector<std::string> open;  ///< jobs of it that are to be trained
  Digests digests;                ///< of everything they start from
};

std::string wave_order_text(const Wave& wave, const std::vector<const Job*>& open,
                            const Digests& digests);
WaveOrder wave_order_from_text(const std::string& text);

/// Trains the open jobs. Outcome::stopped on all ranks if any group was stopped. Collective.
Outcome run_wave(const WaveOrder& order, int number, const JobList& list, const Config& config,
                 const RunFolder& folder, const Session& session, Watchdog& watchdog);

}  // namespace m2mkd
