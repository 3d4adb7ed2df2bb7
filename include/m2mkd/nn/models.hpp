#pragma once
// Networks by their settings ([meta], [teacher], [student]): their stages, the form in which a
// stage is distilled, and the map by which distilled stages are assembled. What differs between
// kinds of networks stands in family.hpp.

#include <any>
#include <typeindex>

#include <m2mkd/config/keys.hpp>
#include <m2mkd/nn/chain.hpp>
#include <m2mkd/nn/load.hpp>

namespace m2mkd {

class Family;
const std::vector<const Family*>& families();
// clang-format off
template <> const Family* parse_value<const Family*>(std::string_view);
template <> std::string print_value<const Family*>(const Family* const&);
template <> std::string value_type<const Family*>();
// clang-format on

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
  const Family* model = families().front();
  std::int64_t width = 64, heads = 4, patch = 7;
  std::vector<std::int64_t> depths{1, 1, 1, 1};  ///< blocks per stage; their number is L
  double mlp_ratio = 4.0;
  bool qkv_bias = true;
  double norm_eps = 1e-6;
  double drop_path = 0.0;  ///< rate of the last block; linear from 0 at the first
  StitchRule stitch =
      StitchRule::automatic;  ///< in the distill form: only where widths differ, always, or never
  bool keep_stitches =
      false;  ///< full student keeps the stitches between its stages (paper, Table 11)
  bool stitch_norm = true;  ///< LayerNorm before a stitch's Linear (published Python); the paper's
                            ///< stitch is the Linear alone
  std::optional<DropPathRamp> ramp;  ///< not a setting: other places in the ramp of drop-path rates

  /// Settings of one family (VmoeOptions, NacOptions), at their defaults until they are set.
  template <class O>
  O& own() {
    auto& any = own_[typeid(O)];
    if (!any.has_value()) any = O{};
    return std::any_cast<O&>(any);
  }
  template <class O>
  const O& own() const {
    static const O defaults{};
    const auto it = own_.find(typeid(O));
    return it == own_.end() ? defaults : std::any_cast<const O&>(it->second);
  }

  /// The common ones, then those of every family.
  static Keys<ModelOptions> keys();
  /// The common ones alone.
  static Keys<ModelOptions> common_keys();
  int stages() const { return static_cast<int>(depths.size()); }

 private:
  std::map<std::type_index, std::any> own_;
};

/// Keys of a family's own settings as keys of a model.
template <class O>
Keys<ModelOptions> own_keys(const Keys<O>& keys) {
  Keys<ModelOptions> k;
  for (const auto& key : keys.keys())
    k.take({key.name, key.help, key.type,
            [key](ModelOptions& o, std::string_view text) { key.read(o.own<O>(), text); },
            [key](const ModelOptions& o) { return key.print(o.own<O>()); }});
  return k;
}

/// What a model sees and says.
struct ImageShape {
  std::int64_t channels = 1, size = 28, classes = 10;
};

/// Complaints about settings that contradict each other (heads do not divide width, patch does not
/// divide the image, ...), each starting with `section`.
std::vector<std::string> model_problems(const ModelOptions& options, const ImageShape& shape,
                                        const std::string& section);

/// What passes between two stages: (B, tokens, width).
struct Boundary {
  std::int64_t width = 0;
  std::int64_t tokens = 0;  ///< class token included; 0: not known
  bool class_token = true;  ///< row 0 is one; the others are a square grid of patches
};

/// Between stage `cut` - 1 and stage `cut` of the full model, 0 < cut < stages.
Boundary boundary(const ModelOptions& options, const ImageShape& shape, int cut);

/// The chain around a stage: what it hands in and takes back.
struct Surrounding {
  Boundary in, out;
  bool resample = false;  ///< the stage's grid is resampled to these tokens at both ends
  /// Alike at both ends; `tokens` 0: those of the stage.
  Surrounding(std::int64_t width = 0, std::int64_t tokens = 0, bool resampled = false)
      : in{width, tokens}, out{width, tokens}, resample(resampled) {}
  Surrounding(const Boundary& before, const Boundary& behind, bool resampled = false)
      : in(before), out(behind), resample(resampled) {}
};

/// The chain whose stages a network's are exchanged with, or that its kept stitches lead to.
class Outside {
 public:
  Outside(std::int64_t width) : everywhere_(width) {}
  Outside(const ModelOptions& options, const ImageShape& shape);
  /// Around the stage of this index. Beyond the ends of the chain, which may have fewer stages,
  /// lies nothing: width 0.
  Surrounding around(int stage, bool resample = false) const;

 private:
  std::int64_t everywhere_ = 0;
  std::vector<Boundary> cuts_;
};

/// Width of a stitch between a stage's own width and the chain's; 0 where the rule puts none.
std::int64_t stitch_width(StitchRule rule, std::int64_t own, std::int64_t outer);

/// Tensors that several stages of the full model use; null where the model has none.
StagePtr make_shared_tensors(const ModelOptions& options, at::TensorOptions tensor);
/// Stage `index` as it is in the full model. `around`: where kept stitches lead to (the meta's
/// chain); unused without. `shared`: from make_shared_tensors().
StagePtr make_stage(const ModelOptions& options, const ImageShape& shape, int index,
                    const Surrounding& around, at::TensorOptions tensor,
                    const StagePtr& shared = nullptr);
/// Stage `index` in the form in which it is distilled or incubated inside `around`: with stitches
/// by the rule, and its grid of tokens resampled at both ends where the numbers differ.
StagePtr make_distill_form(const ModelOptions& options, const ImageShape& shape, int index,
                           const Surrounding& around, at::TensorOptions tensor);
/// All stages of the full model with what they share, or a chain of which all but `only_stage` are
/// absent.
Chain make_chain(const ModelOptions& options, const ImageShape& shape, const Outside& outside,
                 const std::string& role, at::TensorOptions tensor, int only_stage = -1);

/// From a distilled stage's file to the full model: same name, another one, or discarded (stitches,
/// unless the student keeps them; what depends on the images where `distilled` and `assembled`
/// differ, reference/nac §3.5).
AssemblyMap assembly_map(const ModelOptions& options, const ImageShape& distilled,
                         const ImageShape& assembled);
/// Tensors of the full model that no distilled file holds and that stay at their own start.
std::function<bool(const std::string&)> fresh_in_assembly(const ModelOptions& options,
                                                          const ImageShape& distilled,
                                                          const ImageShape& assembled);

}  // namespace m2mkd
