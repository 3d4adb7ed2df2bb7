#pragma once
// The gates of `m2mkd check`, one by one. Those without a TrainContext work on one rank, on the
// CPU, and are not collective.

#include <span>

#include <m2mkd/base/error.hpp>
#include <m2mkd/check/check.hpp>
#include <m2mkd/plan/packing.hpp>
#include <m2mkd/plan/recipe.hpp>
#include <m2mkd/run/build.hpp>

namespace m2mkd {

/// Every data file of the jobs: opens, its images are sound (all of them, or a sample where the
/// file is large; of encoded ones a sample is decoded), no class is empty. `all_images`: no
/// samples.
Findings check_data(const JobList& list, bool all_images = false);

/// Predicted memory of every pack on `ranks` ranks against [machine] and `real` bytes per rank.
Findings check_memory(const JobList& list, int ranks, const MachineOptions& machine, double real);

/// Predicted size of all files of the jobs that have none yet, against the free space where
/// `folder` is or will be.
Finding check_disk(const JobList& list, const RunFolder& folder);

/// Finished and given module files: sound, what they claim to be, made from the parents that are
/// there, with the digest that the job's metrics recorded; no stage twice in one network. `usable`
/// gets the digests of those that may serve as weights.
Findings check_files(const JobList& list, const RunFolder& folder, const RunOptions& run,
                     Digests& usable);

/// Splicing a network's own stages into it gives its own logits, bit for bit. `alone` gives a stage
/// that was made apart from the network. images (B, C, H, W).
Finding check_splice(const std::string& name, const Chain& whole,
                     const std::function<StagePtr(int stage)>& alone, const at::Tensor& images);
/// The same for every whole network of the jobs, from its usable file or a random start. A file
/// that cannot be loaded leaves `usable`.
Findings check_splices(const JobList& list, const RunFolder& folder, Digests& usable,
                       double memory);

/// Random stages in their distill forms as the module files of the job's parts, in `folder`.
void write_random_parts(const Job& job, const JobList& list, const RunFolder& folder);
/// `assembled` equals the sum of the files of the job's parts: tensor by tensor, and in its logits.
Finding check_assembled(const Job& job, const Chain& assembled, const RunFolder& folder,
                        const at::Tensor& images);
/// Assembles every job that has parts as the run would do it: from its usable files, or from random
/// ones in a temporary folder.
Findings check_assemblies(const JobList& list, const RunFolder& folder, const Digests& usable,
                          double memory);

/// Every teacher's stage inside the meta, for the pairs whose files are usable: its answers on
/// training images are finite and better than chance, and no other stage of that teacher does
/// clearly better in its place.
Findings check_teachers(const JobList& list, const RunFolder& folder, const Digests& usable,
                        double memory);

/// Given metas and teachers whose files are usable, on all test images: their accuracy is told, and
/// whether it is better than a constant answer's. What would take longer than `seconds` is skipped.
Findings check_given(const JobList& list, const RunFolder& folder, const Digests& usable,
                     double seconds, double memory);

/// Finished networks evaluated anew: the loss that their files record is theirs. Jobs without
/// children first, as far as `seconds` go.
Findings check_recorded(const JobList& list, const RunFolder& folder, const Digests& usable,
                        double seconds, double memory);

/// The pair as it is checked: `images` images, one constant rate, nothing random.
Job check_form(const Job& pair, std::int64_t images);
/// For a meta with random weights: the frozen stages' matrices get unit gain, so that they hand on
/// what a stage before them says. (Their small start makes narrow ones nearly deaf.)
void liven_frozen(const Task& task);
/// A pair (a task of check_form) overfits one batch: every parameter that trains gets a gradient,
/// and the loss falls by a third of what it could fall and below what one answer for all images
/// reaches (Overfit::learnt). Collective over context.group.
Finding check_pair(const Job& form, Task task, const TrainContext& context,
                   const CheckOptions& options);

}  // namespace m2mkd
