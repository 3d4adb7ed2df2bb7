// What finished networks answer: teachers inside the meta, and the losses that files record.
#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <m2mkd/base/stopwatch.hpp>
#include <m2mkd/check/gates.hpp>
#include <m2mkd/run/networks.hpp>
#include <m2mkd/run/retest.hpp>
#include <m2mkd/train/evaluator.hpp>
#include <m2mkd/train/overfit.hpp>
#include <m2mkd/train/results.hpp>

#include "too_large.hpp"

namespace m2mkd {

namespace {

constexpr std::int64_t probe_images = 256;
constexpr double clearly = 1.1;  ///< losses that differ by less may be chance on so few images

/// What a chain says about the probe.
struct Answer {
  double loss = 0, acc1 = 0;
};

Answer ask(const Chain& chain, const Batch& probe) {
  const c10::NoGradGuard no_grad;
  const at::Tensor logits = chain.forward(probe.images, {});
  return {at::nll_loss(at::log_softmax(logits, 1), probe.labels).item<double>(),
          100 * logits.argmax(1).eq(probe.labels).to(at::kDouble).mean().item<double>()};
}

// Share of the most frequent class, in percent: what a constant answer reaches.
double chance(const Batch& probe) {
  return 100.0 * at::bincount(probe.labels).max().item<double>() /
         static_cast<double>(probe.labels.numel());
}

WholeNetwork teacher_of(const Job& job) {
  const auto& teacher = job.teachers.front();
  return {job.name, "teacher", teacher.model, teacher.weights, &job};
}

// The teacher's stages that fit into the place of `pair`'s: those between the ends, by the pairs
// that learn from them.
std::vector<const Job*> in_the_same_place(const Job& pair, const JobList& list) {
  std::vector<const Job*> others;
  const auto inner = [](const Job& job) {
    return job.stage > 0 && job.stage + 1 < job.model.stages();
  };
  for (const auto& job : list.jobs)
    if (job.phase == Phase::distill && job.scope == pair.scope && job.stage != pair.stage &&
        inner(job) && inner(pair) && !job.teachers.empty() &&
        job.teachers.front().model.depths[static_cast<std::size_t>(job.stage)] ==
            pair.teachers.front().model.depths[static_cast<std::size_t>(pair.stage)])
      others.push_back(&job);
  return others;
}

Finding check_teacher(const Job& pair, const JobList& list, const RunFolder& folder,
                      const Digests& usable) {
  const auto& teacher = pair.teachers.front();
  const WholeNetwork around{"", "meta", teacher.meta, teacher.meta_weights, &pair};
  const Chain meta = whole_or_stage(around, folder, usable, -1);
  TrainOptions probing = pair.train;
  probing.batch = probing.micro_batch = probe_images;
  probing.forward_micro_batches = 0;
  const Batch probe = fixed_step(pair.data, probing, pair.seed, {}).batches.front();
  const auto answer = [&](const Job& from) {
    const Chain stage = whole_or_stage(teacher_of(from), folder, usable, from.stage);
    return ask(splice(meta, pair.stage, stage.stages[static_cast<std::size_t>(from.stage)]), probe);
  };
  const Answer own = answer(pair);
  const auto found = [&](Verdict verdict, const std::string& text) {
    return Finding{"teacher", pair.name, verdict,
                   fmt::format("teacher's stage {} in the meta: loss {:.3f}, acc1 {:.1f} % of {} "
                               "images{}",
                               pair.stage, own.loss, own.acc1, probe.labels.numel(), text)};
  };
  if (!std::isfinite(own.loss))
    return found(Verdict::wrong, " [a weight is not finite]: train the teacher anew");
  for (const Job* other : in_the_same_place(pair, list)) {
    if (!usable.contains(digest_key(other->teachers.front().weights))) continue;
    if (const Answer its = answer(*other); own.loss > clearly * its.loss)
      return found(Verdict::warning,
                   fmt::format(", but its stage {} in this place {:.3f} [are the stages "
                               "exchanged?]: look at {} by `m2mkd inspect`",
                               other->stage, its.loss, folder.file(teacher.weights).string()));
  }
  const double p = chance(probe) / 100;
  const double needed =
      100 * (p + 3 * std::sqrt(p * (1 - p) / static_cast<double>(probe.labels.numel())));
  if (own.acc1 < needed)
    return found(Verdict::warning,
                 fmt::format(", no better than chance ({:.1f} %) [a stage of another network, or "
                             "one that has moved far from the meta]: try distill.teacher = "
                             "incubate",
                             100 * p));
  return found(Verdict::ok, "");
}

// The network that its training began with, as the run would assemble it today.
Chain start_of(const Job& job, const RunFolder& folder) {
  Job alone = job;
  alone.teachers.clear();
  return Builder(folder, {}, {}, c10::kCPU).task(alone, {}).chain;
}

// The recorded losses on the whole test set, found again? That of the network, and that of its
// start where it was assembled from files that are there.
Finding check_record(const Job& job, const RunFolder& folder, const Digests& usable) {
  const auto path = folder.module(job.name);
  const TableFile module = read_table_file(path);
  const Results results = read_results(module);
  if (const auto difference = test_difference(job, module); !difference.empty())
    return {"recorded", job.name, Verdict::skipped,
            "it was tested " + difference + ": the run tests it again"};
  const Dataset test(job.data, Split::test);
  std::vector<Chain> chains{Builder(folder, {}, {}, c10::kCPU).finished(job, path)};
  std::vector<std::string> names{"loss"};
  const PartsStart* parts = job.parts();
  if (parts && results.find("test", "start_loss") != nullptr &&
      std::ranges::all_of(parts->parts, [&](const auto& s) { return usable.contains(s.job); })) {
    chains.push_back(start_of(job, folder));
    names.emplace_back("start_loss");
  }
  const Communicator alone;
  const auto found = evaluate(chains, {.dataset = test,
                                       .data = job.data,
                                       .batch = job.train.eval_batch,
                                       .precision = job.train.precision,
                                       .group = alone,
                                       .device = c10::Device(c10::kCPU),
                                       .drop_last = job.train.eval_drop_last});
  if (!found) return {"recorded", job.name, Verdict::skipped, "stopped"};
  // Sums in another order, or rounding to 8 bits.
  const double tolerance = job.train.precision == Precision::bf16 ? 2e-2 : 1e-3;
  Finding finding{"recorded", job.name, Verdict::ok, ""};
  for (std::size_t i = 0; i < names.size(); ++i) {
    const double recorded = results.value("test", names[i]), loss = (*found)[i].loss;
    finding.text +=
        fmt::format("{}{} {:.4f}, recorded {:.4f}", i > 0 ? "; " : "", names[i], loss, recorded);
    // Written so that a loss that is not finite is no match.
    if (!(std::abs(loss - recorded) <= tolerance * std::max(recorded, 1e-3)))
      finding.verdict = Verdict::wrong;
  }
  if (finding.verdict == Verdict::wrong)
    finding.text +=
        " [tensors were changed or exchanged since]: remove " + path.string() + " to train it anew";
  return finding;
}

}  // namespace

Findings check_teachers(const JobList& list, const RunFolder& folder, const Digests& usable,
                        double memory) {
  Findings findings;
  for (const auto& job : list.jobs) {
    if (job.phase != Phase::distill || job.teachers.empty()) continue;
    const auto& teacher = job.teachers.front();
    if (!usable.contains(digest_key(teacher.weights)) ||
        !usable.contains(digest_key(teacher.meta_weights)))
      continue;
    const double bytes = static_cast<double>(job.cost.chain.parameters() + job.cost.frozen) *
                             job.cost.element_bytes +
                         job.cost.activations * job.cost.element_bytes * probe_images;
    if (auto skipped = too_large("teacher", job.name, bytes, memory)) {
      findings.push_back(*skipped);
      continue;
    }
    findings.push_back(check_teacher(job, list, folder, usable));
  }
  return findings;
}

Findings check_recorded(const JobList& list, const RunFolder& folder, const Digests& usable,
                        double seconds, double memory) {
  Findings findings;
  std::vector<const Job*> jobs;
  for (const auto& job : list.jobs)
    if (usable.contains(job.name)) jobs.push_back(&job);
  std::ranges::stable_partition(jobs, [&](const Job* job) {
    return std::ranges::any_of(list.leaves, [&](const auto& method) {
      return std::ranges::count(method.second, job->name) > 0;
    });
  });
  const Stopwatch watch;
  double rate = 0;  // seconds per FLOP, as the last evaluation had it
  for (const Job* job : jobs) {
    const Stopwatch own;
    const double flops = job->cost.eval_flops * static_cast<double>(job->facts.test_images);
    const double bytes =
        2 * static_cast<double>(job->cost.chain.parameters()) * job->cost.element_bytes;
    if (auto skipped = too_large("recorded", job->name, bytes, memory)) {
      findings.push_back(*skipped);
    } else if (watch.seconds() + rate * flops > seconds) {
      findings.push_back({"recorded", job->name, Verdict::skipped, "no time left: --seconds"});
    } else {
      findings.push_back(check_record(*job, folder, usable));
      rate = own.seconds() / flops;
    }
  }
  return findings;
}

}  // namespace m2mkd
