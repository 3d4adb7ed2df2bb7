#pragma once
// Graph priors of a run's NACs: drawn and fitted once, kept by content as RUN_DIR/priors/<key>.h5,
// which jobs share.

#include <m2mkd/run/build.hpp>

namespace m2mkd {

/// Does the job's network start from a graph prior?
bool has_prior(const Job& job);

struct FittedPrior {
  at::Tensor graph;       ///< (n, n) bool
  at::Tensor signatures;  ///< (n, S) fp32
};

/// From the run's file, where there is one; else drawn and fitted, in memory. For one rank.
FittedPrior fitted_prior(const Job& job, const RunFolder& folder);

/// Fits and writes what the jobs need and the run does not have, divided over the ranks.
/// Collective.
void fit_priors(const std::vector<const Job*>& jobs, const RunFolder& folder,
                const Communicator& world);

/// Gives the mediators of a NAC its prior's signatures; on the group's root, then broadcast.
void start_signatures(const Chain& chain, const Job& job, const RunFolder& folder,
                      const Communicator& group);

/// The mediators' signatures among a network's tensors.
inline constexpr const char* kMediatorSignatures =
    "shared/latent_graphs.0.mediator_latents.signatures_";

/// Before and after training, in their standing to the drawn graph; absent files give nothing.
struct PriorStanding {
  GraphReport fitted, trained;
};
std::optional<PriorStanding> prior_standing(const Job& job, const RunFolder& folder);

}  // namespace m2mkd
