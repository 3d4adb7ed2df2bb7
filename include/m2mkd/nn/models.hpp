#pragma once
// The models by name: their settings ([meta], [teacher], [student]), their stages, the form in
// which a stage is distilled, and the map by which distilled stages are assembled. A further model
// is one more file behind these functions.

#include <m2mkd/config/keys.hpp>
#include <m2mkd/nn/chain.hpp>
#include <m2mkd/nn/moe.hpp>
#include <m2mkd/nn/nac.hpp>

namespace m2mkd {

enum class ModelName { vit, vmoe, nac };
template <>
struct EnumNames<ModelName> {
  static constexpr std::array<std::pair<ModelName, std::string_view>, 3> names{
      {{ModelName::vit, "vit"}, {ModelName::vmoe, "vmoe"}, {ModelName::nac, "nac"}}};
};

enum class StitchRule { automatic, always, never };
template <>
struct EnumNames<StitchRule> {
  static constexpr std::array<std::pair<StitchRule, std::string_view>, 3> names{
      {{StitchRule::automatic, "auto"},
       {StitchRule::always, "always"},
       {StitchRule::never, "never"}}};
};

/// Where the blocks of each stage stand in the ramp of drop-path rates, linear over `blocks`
/// blocks.
struct DropPathRamp {
  std::vector<std::int64_t> first;  ///< per stage: place of its block 0
  std::int64_t blocks = 1;
};

struct ModelOptions {
  ModelName model = ModelName::vit;
  std::int64_t width = 64, heads = 4, patch = 7;
  std::vector<std::int64_t> depths{1, 1, 1, 1};  ///< blocks per stage; their number is L
  double mlp_ratio = 4.0;
  bool qkv_bias = true;
  double norm_eps = 1e-6;
  double drop_path = 0.0;          ///< rate of the last block; linear from 0 at the first
  std::string moe_blocks = "all";  ///< vmoe: all, odd (every other, from the second), none, or a
                                   ///< list of global block numbers
  std::int64_t experts = 8, top_k = 2;
  ExpertInit expert_init = ExpertInit::linear;
  bool gate_bias = true;    ///< published Python: yes; the paper's formula has none
  double balance_loss = 0;  ///< weight of the experts' load-balance term; published: none
  StitchRule stitch =
      StitchRule::automatic;  ///< in the distill form: only where widths differ, always, or never
  bool keep_stitches =
      false;  ///< full student keeps the stitches between its stages (paper, Table 11)
  bool stitch_norm = true;  ///< LayerNorm before a stitch's Linear (published Python); the paper's
                            ///< stitch is the Linear alone
  NacOptions nac;
  std::optional<DropPathRamp> ramp;  ///< not a setting: other places in the ramp of drop-path rates

  static Keys<ModelOptions> keys();
  int stages() const { return static_cast<int>(depths.size()); }
};

/// Does this key of ModelOptions decide what a network answers, and leave no trace in its weights?
/// heads, top_k, norm_eps, and most of a NAC's.
bool leaves_no_trace(ModelName model, const std::string& key);

/// What a model sees and says.
struct ImageShape {
  std::int64_t channels = 1, size = 28, classes = 10;
};

/// Complaints about settings that contradict each other (heads do not divide width, patch does not
/// divide the image, ...), each starting with `section`.
std::vector<std::string> check(const ModelOptions& options, const ImageShape& shape,
                               const std::string& section);

/// Tokens between the stages, class token included.
std::int64_t tokens(const ModelOptions& options, const ImageShape& shape);

/// The chain around a stage.
struct Surrounding {
  std::int64_t width = 0;
  std::int64_t tokens = 0;  ///< between its stages; 0: those of the stage
  bool resample = false;    ///< the stage's grid is resampled to these tokens at both ends
  Surrounding(std::int64_t width_around, std::int64_t tokens_around = 0, bool resampled = false)
      : width(width_around), tokens(tokens_around), resample(resampled) {}
};

/// Tensors that several stages of the full model use; null where the model has none.
StagePtr make_shared_tensors(const ModelOptions& options, at::TensorOptions tensor);
/// Stage `index` as it is in the full model. `outer_width`: width of the chain that kept stitches
/// lead to (the meta's); unused without. `shared`: from make_shared_tensors().
StagePtr make_stage(const ModelOptions& options, const ImageShape& shape, int index,
                    std::int64_t outer_width, at::TensorOptions tensor,
                    const StagePtr& shared = nullptr);
/// Stage `index` in the form in which it is distilled or incubated inside `around`: with stitches
/// by the rule, and its grid of tokens resampled at both ends where the numbers differ.
StagePtr make_distill_form(const ModelOptions& options, const ImageShape& shape, int index,
                           Surrounding around, at::TensorOptions tensor);
/// All stages of the full model with what they share, or a chain of which all but `only_stage` are
/// absent.
Chain make_chain(const ModelOptions& options, const ImageShape& shape, std::int64_t outer_width,
                 const std::string& role, at::TensorOptions tensor, int only_stage = -1);

/// From a distilled stage's file to the full model: same name, or discarded (stitches, unless the
/// student keeps them). NAC: reference/nac §3.5; what depends on the images is discarded where
/// `distilled` and `assembled` differ: the grid of positions by size, the output tokenizer by
/// classes.
AssemblyMap assembly_map(const ModelOptions& options, const ImageShape& distilled,
                         const ImageShape& assembled);
/// A dense network's tensors ("stages/<i>/<key>") as those of `options` (V-MoE of the same depths):
/// every expert starts as the dense block's MLP, gates are left out (Sparse Upcycling, Komatsuzaki
/// et al. 2023).
NamedTensors upcycle(const NamedTensors& dense, const ModelOptions& options);
/// Tensors of an upcycled model that the dense one does not have: the gates.
bool fresh_in_upcycling(const std::string& name);
/// Tensors of the full model that no distilled file holds and that stay at their own start.
std::function<bool(const std::string&)> fresh_in_assembly(const ModelOptions& options,
                                                          const ImageShape& distilled,
                                                          const ImageShape& assembled);

}  // namespace m2mkd
