#pragma once
// AdamW with decoupled decay (fused ATen kernel). No decay for 0-D and 1-D tensors, biases, and
// what is learnt per position or latent (pos_embed, cls_token, a NAC's grid, codes and signatures),
// unless decay_embeddings or decay_all (reference/vmoe §4, reference/nac §4).

#include <vector>

#include <m2mkd/nn/stage.hpp>
#include <m2mkd/train/options.hpp>

namespace m2mkd {

/// Does weight decay apply to this parameter?
bool decays(const Parameter& parameter, const TrainOptions& options);

class AdamW {
 public:
  AdamW(std::vector<Parameter> parameters, const TrainOptions& options);
  /// One update from the parameters' .grad().
  void step(double lr);
  /// Moments as "optimizer/<parameter>/exp_avg" and ".../exp_avg_sq".
  NamedTensors state() const;
  /// Copies them back; throws Error naming a missing tensor.
  void load(const NamedTensors& tensors, std::int64_t updates);
  /// Updates made so far (bias correction counts them).
  std::int64_t updates() const { return updates_; }

 private:
  struct Group {
    std::vector<at::Tensor> parameters, exp_avg, exp_avg_sq, steps;
    double weight_decay = 0;
  };
  void add(Group& group, const Parameter& parameter);
  std::vector<Parameter> parameters_;
  Group plain_, decayed_;
  std::vector<bool> decays_;  ///< by parameter
  double beta1_, beta2_, eps_;
  std::int64_t updates_ = 0;
};

}  // namespace m2mkd
