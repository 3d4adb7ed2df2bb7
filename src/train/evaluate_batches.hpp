#pragma once
// Evaluation over any source of batches: what evaluate() does with a split, and the step timer with
// random images.

#include <m2mkd/train/evaluator.hpp>

#include "published_meter.hpp"

namespace m2mkd {

struct EvalPlace {
  Precision precision;
  const Communicator& group;
  c10::Device device;
  std::function<void(const std::string& what)> beat = [](const std::string&) {};
  std::optional<PublishedMeter> meter = {};  ///< empty, one copy per chain
  ClassMap classes = {};
};

/// As evaluate(). `next` gives this rank's batches in order, false at their end.
std::optional<std::vector<Accuracy>> evaluate_batches(
    std::span<const Chain> chains, const EvalPlace& place, const std::function<bool(Batch&)>& next,
    const std::function<void(std::int64_t first, const at::Tensor& logits)>& on_logits = {});

}  // namespace m2mkd
