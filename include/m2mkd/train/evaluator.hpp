#pragma once
// Accuracy of chains on a whole split, sharded over the group. True accuracies: correct / seen ·
// 100.

#include <functional>
#include <map>
#include <optional>
#include <span>

#include <m2mkd/comm/communicator.hpp>
#include <m2mkd/data/loader.hpp>
#include <m2mkd/nn/chain.hpp>
#include <m2mkd/train/options.hpp>

namespace m2mkd {

struct Accuracy {
  double acc1 = 0, acc5 = 0;                                     ///< percent
  double loss = 0;                                               ///< mean cross-entropy
  std::int64_t count = 0;                                        ///< images seen
  std::map<std::string, std::vector<std::int64_t>> expert_load;  ///< block → tokens per expert
  std::optional<double>
      acc1_published;  ///< percent, of the published meter, where it was asked for
  /// Standard error of acc1, or of another share of the images, in points: 100·√(p(1−p)/n).
  double standard_error() const { return standard_error(acc1); }
  double standard_error(double percent) const;
};

/// The classes of a file of images among those of a network (Evaluation).
struct ClassMap {
  at::Tensor classes;  ///< (classes of the file) int64 on the host; undefined: the same
  bool masks = false;  ///< answers count among them alone
};

struct EvalRequest {
  const Dataset& dataset;
  const DataOptions& data;
  std::int64_t batch;
  Precision precision;
  const Communicator& group;
  c10::Device device;
  std::function<void(const std::string& what)> beat = [](const std::string&) {
  };                       ///< tells the watchdog that things move
  bool drop_last = false;  ///< leave out the images after the last whole batch, if there is one
  std::int64_t published_batch =
      0;  ///< images per virtual rank and batch of the published meter; 0: without it
  ClassMap classes = {};
};

/// How many of `images` are scored.
std::int64_t scored_images(std::int64_t images, std::int64_t batch, bool drop_last);

/// One pass over the split for all chains; frozen stages that they share are computed once. Nothing
/// if a stop was requested on any rank meanwhile (then all ranks return nothing). `on_logits`
/// (optional) gets (first sample's position, logits of chain 0).
std::optional<std::vector<Accuracy>> evaluate(
    std::span<const Chain> chains, const EvalRequest& request,
    const std::function<void(std::int64_t first, const at::Tensor& logits)>& on_logits = {});

}  // namespace m2mkd
