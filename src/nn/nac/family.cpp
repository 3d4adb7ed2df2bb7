#include "family.hpp"

#include <algorithm>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/nn/load.hpp>
#include <m2mkd/nn/nac.hpp>

#include "assembly.hpp"
#include "names.hpp"
#include "seen.hpp"
#include "weight_edits.hpp"

namespace m2mkd {
namespace {

// reference/nac §1.12, §3-§5, §7.1.
constexpr const char* kPublished = R"(
[distill]
decay_embeddings = true
drop_path_ramp = network
[final]
lr_late = false
decay_all = true
eval_drop_last = false
published_meter = true
[student]
single_code = true
eval_noise = true
distill_ffn_scale = 1e-6
match_rows_only = true
block_clusters = 8
)";

bool is_one_of(const std::string& key, const std::vector<std::string>& keys) {
  return std::ranges::count(keys, key) > 0;
}

class NacFamily : public Family {
 public:
  std::string name() const override { return "nac"; }
  std::string title() const override { return "NAC"; }
  std::string about() const override { return "Neural Attentive Circuits"; }
  Keys<ModelOptions> keys() const override { return own_keys(NacOptions::keys()); }
  bool depends_on(const std::string& key, bool distill_form) const override {
    if (is_one_of(key, {"keep_stitches", "stitch_norm", "qkv_bias", "norm_eps"})) return false;
    if (distill_form && is_one_of(key, nac_full_model_keys())) return false;
    return Family::depends_on(key, distill_form);
  }
  bool leaves_no_trace(const std::string& key) const override {
    return Family::leaves_no_trace(key) ||
           (is_one_of(key, nac_keys()) &&
            !is_one_of(key, {"input_latents", "mediator_latents", "output_latents", "code_width",
                             "signature_width", "position_width", "tokenizer_depths"}));
  }
  bool may_differ_at_start(const std::string& key) const override {
    return is_one_of(key, nac_keys());
  }
  std::vector<std::string> problems(const ModelOptions& options,
                                    const ImageShape& shape) const override {
    return check_nac(options, shape);
  }
  std::string published_settings() const override { return kPublished; }

  Boundary boundary(const ModelOptions& options, const ImageShape&, int) const override {
    const auto& n = options.own<NacOptions>();
    return {options.width, n.input_latents + n.mediator_latents, false};
  }
  // Stages of a NAC are spliced in their distill form, which only students have.
  bool surrounds() const override { return false; }
  // Its read-in gives as many tokens as it has latents; its other stages take what comes.
  bool takes_any_tokens() const override { return true; }
  bool has_graph_prior() const override { return true; }
  StagePtr shared_tensors(const ModelOptions& options, at::TensorOptions tensor) const override {
    return make_nac_shared(options, tensor);
  }
  StagePtr stage(const ModelOptions& options, const ImageShape& shape, int index,
                 const Surrounding&, const StagePtr& shared,
                 at::TensorOptions tensor) const override {
    return make_nac_stage(options, shape, index, shared, tensor);
  }
  StagePtr distill_form(const ModelOptions& options, const ImageShape& shape, int index,
                        const Surrounding& around, at::TensorOptions tensor) const override {
    return make_nac_distill_form(options, shape, index, around, tensor);
  }
  AssemblyMap assembly_map(const ModelOptions& options, const ImageShape& distilled,
                           const ImageShape& assembled) const override {
    return nac_assembly_map(options, distilled, assembled);
  }
  std::function<bool(const std::string&)> fresh_in_assembly(
      const ImageShape& distilled, const ImageShape& assembled) const override {
    return fresh_in_nac_assembly(distilled, assembled);
  }

  bool recognises(const std::vector<std::string>& keys) const override {
    return std::ranges::any_of(keys,
                               [](const auto& key) { return nac_part(key) != NacPart::none; });
  }
  // Each of its stages counts as one block.
  std::optional<std::int64_t> block_of(const std::string& key) const override {
    return nac_part(key) == NacPart::none ? std::nullopt : std::optional<std::int64_t>(0);
  }
  bool tells_stage(const std::string& key) const override {
    return parse_staged(key) || nac_part(key) == NacPart::network;
  }
  std::vector<std::int64_t> told_depths(const std::vector<std::string>& names) const override {
    return nac_depths(names);
  }
  std::string flat_name(const StagedName& name, const std::vector<std::int64_t>&) const override {
    return name.key;
  }
  StagedName staged_name(const std::string& flat,
                         const std::vector<std::int64_t>& depths) const override {
    if (auto staged = parse_staged(flat); staged && staged->stage < 0) return *staged;
    return staged_nac_name(flat, static_cast<int>(depths.size()));
  }
  std::string flat_names_text() const override { return "published names"; }
  std::string checkpoint_entry() const override { return "model"; }

  std::vector<std::int64_t> seen_depths(const std::vector<StagedName>& names) const override {
    auto depths = Family::seen_depths(names);
    const bool head = std::ranges::any_of(
        names, [](const auto& n) { return n.key.ends_with("tokenizer.to_logits.weight"); });
    if (head) depths.pop_back();
    depths.resize(std::max<std::size_t>(3, depths.size()));
    return depths;
  }
  void see(const StagedTensors& tensors, SeenModel& seen) const override { see_nac(tensors, seen); }
  void guess(SeenModel& seen, const Guessing& guessing) const override {
    auto& o = seen.options;
    seen.heads_known = guessing.said("heads") || o.width % 64 == 0;
    if (guessing.said("heads") || !seen.heads_known) return;
    o.heads = o.width / 64;
    guessing.note(seen, fmt::format("heads = {}", o.heads));
  }
  void resize_positions(StagedTensors& tensors, std::int64_t image_size,
                        EditNotes& notes) const override;
  bool replace_head(StagedTensors& tensors, std::int64_t classes, EditNotes& notes) const override;
};

// The grid of positions, (C, side, side): the published Python's own resizing never runs
// (reference/nac §1.2). Tokens may leave a rim of the image.
void NacFamily::resize_positions(StagedTensors& tensors, std::int64_t image_size,
                                 EditNotes& notes) const {
  auto* grid = find_ending(tensors, "positional_grid.grid");
  const auto* stem = find_ending(tensors, "backbone.downsample_layers.0.0.weight");
  if (grid == nullptr || stem == nullptr)
    fail("--image-size: the file holds no position embedding (it has no first stage)");
  if (grid->second.dim() != 3 || stem->second.dim() != 4)
    fail("--image-size: the grid of positions is not of shape (C, side, side)");
  auto patch = stem->second.size(2);
  for (int level = 1;
       find_ending(tensors, fmt::format("downsample_layers.{}.1.weight", level)) != nullptr;
       ++level)
    patch *= 2;
  if (patch < 1 || image_size < patch)
    throw ConfigError(fmt::format("--image-size {}: a token covers {} pixels, so none is left",
                                  image_size, patch));
  const auto side = grid->second.size(1), target = image_size / patch;
  if (target == side) return;
  grid->second = resized_grid(grid->second, target);
  notes[grid->first.text('/')] =
      fmt::format("resized from {0} x {0} to {1} x {1} tokens", side, target);
}

bool NacFamily::replace_head(StagedTensors& tensors, std::int64_t classes, EditNotes& notes) const {
  const auto* scorer = find_ending(tensors, "output_tokenizer.confidence_scorer.weight");
  if (scorer == nullptr) fail("--classes: the file holds no head (it has no last stage)");
  return m2mkd::replace_head(tensors, *scorer, "output_tokenizer.to_logits", classes, "±1/√width",
                             "±1/√width", notes);
}

}  // namespace

const Family& nac_family() {
  static const NacFamily family;
  return family;
}

}  // namespace m2mkd
