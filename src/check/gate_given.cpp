// Given networks on the test images, before anything learns from them.
#include <cmath>

#include <m2mkd/base/stopwatch.hpp>
#include <m2mkd/check/gates.hpp>
#include <m2mkd/run/gemm.hpp>
#include <m2mkd/run/given.hpp>
#include <m2mkd/train/evaluator.hpp>

#include "too_large.hpp"

namespace m2mkd {

namespace {

Finding check_one(const WholeNetwork& given, const RunFolder& folder) {
  const auto found = [&](Verdict verdict, const std::string& text) {
    return Finding{"given", given.source.file.string(), verdict, text};
  };
  require_fitting(given);
  const auto tested = test_given(given, folder, {}, c10::kCPU, [](const std::string&) {});
  if (!tested) return found(Verdict::skipped, "stopped");
  const auto& [a, bad] = *tested;
  const std::string text = fmt::format("as {}: acc1 {:.2f} ±{:.2f} % of {} test images", given.role,
                                       a.acc1, a.standard_error(), a.count);
  if (!std::isfinite(a.loss)) return found(Verdict::wrong, text + ", " + bad);
  return bad.empty()
             ? found(Verdict::ok, text)
             : found(Verdict::warning, fmt::format("{}, {} [weights of other classes, images of "
                                                   "another normalisation, or untrained?]",
                                                   text, bad));
}

}  // namespace

Findings check_given(const JobList& list, const RunFolder& folder, const Digests& usable,
                     double seconds, double memory) {
  Findings findings;
  const Stopwatch watch;
  for (const auto& given : given_networks(list)) {
    if (!usable.contains(digest_key(given.source))) continue;
    const Job& job = *given.job;
    const auto subject = given.source.file.string();
    // On this rank's cores: [machine] may be of GPUs.
    const double rate = gemm_gflops(job.train.precision, c10::Device(c10::kCPU)) * 1e9;
    const double needed = job.cost.eval_flops * static_cast<double>(job.facts.test_images) / rate;
    if (auto skipped = too_large("given", subject, given.bytes(), memory)) {
      findings.push_back(*skipped);
    } else if (watch.seconds() + needed > seconds) {
      findings.push_back({"given", subject, Verdict::skipped,
                          fmt::format("all test images would take about {} on one rank: --seconds",
                                      duration_text(needed))});
    } else {
      try {
        findings.push_back(check_one(given, folder));
      } catch (const Error& error) {
        findings.push_back({"given", subject, Verdict::wrong, error.what()});
      }
    }
  }
  return findings;
}

}  // namespace m2mkd
