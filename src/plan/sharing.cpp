#include <algorithm>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <m2mkd/plan/cost.hpp>
#include <m2mkd/plan/sharing.hpp>

namespace m2mkd {
namespace {

template <class O>
std::string printed(const O& options, const std::vector<std::string>& without = {}) {
  std::string text;
  const Keys<O> keys = O::keys();
  for (const auto& key : keys.keys())
    if (std::ranges::count(without, key.name) == 0)
      text += key.name + " = " + key.print(options) + "\n";
  return text;
}

std::string meta_key(const ModelOptions& model, const Source& weights) {
  return printed(model) + weights.job + "\n" + weights.file.string() + "\n";
}

}  // namespace

bool same_meta(const ModelOptions& a, const Source& from_a, const ModelOptions& b,
               const Source& from_b) {
  return meta_key(a, from_a) == meta_key(b, from_b);
}

std::string share_key(const Job& job) {
  if (!job.spliced() || job.train.frozen_drop_path) return "alone: " + job.name;
  const auto& s = job.facts;
  const auto& t = job.train;
  // forward_micro_batches changes no result, but the pack's one loader has one value of it.
  return meta_key(job.meta, job.meta_weights) + printed(job.data, {"loader_depth"}) +
         fmt::format("{} {} {} {} {} {} {} {}\n", s.channels, s.image_size, s.classes,
                     s.train_images, s.validation_images, s.test_images, s.train_digest,
                     s.test_digest) +
         fmt::format("{} {} {} {} {}", t.batch, t.micro_batch, t.forward_micro_batches,
                     enum_name(t.precision), job.seed);
}

bool can_share(const Job& a, const Job& b) {
  return a.spliced() && b.spliced() && share_key(a) == share_key(b);
}

}  // namespace m2mkd
