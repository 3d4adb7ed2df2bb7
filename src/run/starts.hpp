#pragma once
// How each kind of a job's start (plan/start.hpp) is loaded.

#include <functional>

#include <m2mkd/nn/chain.hpp>
#include <m2mkd/plan/job.hpp>

namespace m2mkd {

/// What a start loads into, and by what. On the group's root.
struct StartPlace {
  const Job& job;
  const Chain& chain;
  /// Tensors of a source, of one stage or all (-1).
  std::function<NamedTensors(const Source& source, int only_stage)> read;
  /// Gets the names of what was copied, renamed, discarded and left fresh (load.*).
  Attributes& provenance;
};

void load_start(const FreshStart& start, const StartPlace& place);
void load_start(const GivenStart& start, const StartPlace& place);
void load_start(const PartsStart& start, const StartPlace& place);
void load_start(const UpcycledStart& start, const StartPlace& place);

}  // namespace m2mkd
