#pragma once
// What the stages of a NAC share: codes, signatures, and the seeder of states (reference/nac §1.4).

#include "mod_fc.hpp"
#include "sizes.hpp"

namespace m2mkd::nac {

enum Group { inputs, mediators, outputs };
inline constexpr std::array<const char*, 3> group_names{"input_latents", "mediator_latents",
                                                        "output_latents"};

class Shared : public Stage {
 public:
  Shared(const ModelOptions& options, at::TensorOptions tensor);

  const at::Tensor& codes(Group group) const { return codes_[group]; }
  const at::Tensor& signatures(Group group) const { return signatures_[group]; }
  /// Signatures, or codes, of the senders of every layer: input latents, then mediators.
  at::Tensor sender_codes() const { return at::cat({codes_[inputs], codes_[mediators]}); }
  at::Tensor sender_signatures() const {
    return at::cat({signatures_[inputs], signatures_[mediators]});
  }
  /// States (batch, U, C) of a group's latents: mean from the code, in training plus noise per
  /// sample.
  at::Tensor seed(Group group, std::int64_t batch, const ForwardContext& context) const;

  /// Never run on its own.
  at::Tensor forward(const at::Tensor& x, const ForwardContext& context) const override;
  std::vector<Parameter> parameters() const override;
  StageCost cost(std::int64_t) const override { return {}; }
  std::int64_t tokens_out(std::int64_t tokens) const override { return tokens; }

 private:
  std::array<at::Tensor, 3> codes_, signatures_;
  LayerNorm norm_;
  Linear mean_, log_variance_;
  double code_noise_;
  bool eval_noise_;
};
using SharedPtr = std::shared_ptr<const Shared>;

/// Weights of the two regularisers of signatures (reference/nac §2.3, §2.4); 0: not this one.
double hinge_weight(const NacOptions& options);
double block_model_weight(const NacOptions& options);
/// Clusters of the block model.
std::int64_t block_clusters(const NacOptions& options);

}  // namespace m2mkd::nac
