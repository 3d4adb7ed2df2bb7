#pragma once
// Neural Attentive Circuits (reference/nac): settings, and the stages of the full model and of its
// distill form.
//
// Between the stages goes [input latents ; mediator latents], (B, U_in + U_m, C). Stage 0 holds the
// tokenizer and the read-in, the last one the read-out, each other one a propagator. Codes,
// signatures and the seeder of states belong to the chain (Chain::shared).

#include <m2mkd/nn/graph_prior.hpp>
#include <m2mkd/nn/models.hpp>

namespace m2mkd {

enum class Pooling { gumbel, softmax };
template <>
struct EnumNames<Pooling> {
  static constexpr std::array<std::pair<Pooling, std::string_view>, 2> names{
      {{Pooling::gumbel, "gumbel"}, {Pooling::softmax, "softmax"}}};
};

enum class SignatureLoss { prior, hinge, block_model, none };
template <>
struct EnumNames<SignatureLoss> {
  static constexpr std::array<std::pair<SignatureLoss, std::string_view>, 4> names{
      {{SignatureLoss::prior, "prior"},
       {SignatureLoss::hinge, "hinge"},
       {SignatureLoss::block_model, "block_model"},
       {SignatureLoss::none, "none"}}};
};

struct NacOptions {
  std::int64_t input_latents = 64, mediator_latents = 256, output_latents = 64;
  std::int64_t code_width = 0;  ///< 0: the width of a state
  std::int64_t signature_width = 64;
  std::int64_t position_width = 64;                  ///< channels of the learned grid of positions
  std::vector<std::int64_t> tokenizer_depths{3, 3};  ///< ConvNeXt blocks per level; the last level
                                                     ///< has half the width of a state
  double modulation = 0.1;   ///< start of the gain by which a code scales a product's input
  double layer_scale = 0.1;  ///< start of the residual branches' gamma
  double code_noise = 0.05;  ///< training: code + U(−x|c|, x|c|)
  double truncation = 0.9;   ///< cosine distance from which propagators see no link
  double temperature = 0.5;  ///< of the binary-concrete link samples in training
  Pooling pooling = Pooling::gumbel;
  bool eval_noise = false;         ///< published: state noise and Gumbel noise in evaluation too
  bool single_code = false;        ///< published distill form: one code for all tokens, one state
  double distill_ffn_scale = 0.1;  ///< start of gamma of the read-in's FFN in the distill form;
                                   ///< published: 1e-6
  SignatureLoss signature_loss =
      SignatureLoss::prior;     ///< prior: block_model for planted_partition, hinge for the others
  double signature_weight = 0;  ///< 0: the published one, 0.1 for hinge, 1 for block_model
  double hinge = 0.4;
  bool match_rows_only = false;     ///< published: the block model's matching permutes rows only
  std::int64_t block_clusters = 0;  ///< of the block model; 0: the prior's
  PriorOptions prior;

  static Keys<NacOptions> keys();
};

/// Complaints about a NAC's settings, without the section's name.
std::vector<std::string> check_nac(const ModelOptions& options, const ImageShape& shape);

/// The names of the keys that a distill form does not depend on: signatures, prior, noise.
const std::vector<std::string>& nac_full_model_keys();
/// Names of all keys of NAC.
std::vector<std::string> nac_keys();

/// Codes, signatures and seeder: Chain::shared of the full model.
StagePtr make_nac_shared(const ModelOptions& options, at::TensorOptions tensor);
/// Stage `index` of the full model around `shared`. On a chain without values (meta device) too.
StagePtr make_nac_stage(const ModelOptions& options, const ImageShape& shape, int index,
                        const StagePtr& shared, at::TensorOptions tensor);
/// Stage `index` in its distill form: no kernel, frozen random codes and states, linear stitches.
StagePtr make_nac_distill_form(const ModelOptions& options, const ImageShape& shape, int index,
                               const Surrounding& around, at::TensorOptions tensor);

}  // namespace m2mkd
