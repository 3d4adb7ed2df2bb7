#pragma once
// A family of networks (ViT, V-MoE, NAC): everything that this program must know of one, as one
// object. A further family is a folder with a class of its own and a line in families().
//
// Nothing outside a family's folder asks which family a network has.

#include <m2mkd/nn/load.hpp>
#include <m2mkd/nn/models.hpp>
#include <m2mkd/nn/seen_model.hpp>

namespace m2mkd {

class Family {
 public:
  virtual ~Family() = default;
  virtual std::string name() const = 0;   ///< as a setting: `model = vmoe`
  virtual std::string title() const = 0;  ///< in messages: "V-MoE"
  virtual std::string about() const = 0;  ///< in the help of `model`: "blocks with experts"

  // Settings.
  /// Its own, beside the common ones. Their fields are `options.own<O>()`.
  virtual Keys<ModelOptions> keys() const { return {}; }
  /// Does the network, or its distill form, depend on this key? Default: all common keys and its
  /// own.
  virtual bool depends_on(const std::string& key, bool distill_form) const;
  /// Does this key decide what a network answers, and leave no trace in its weights? Default: heads
  /// and norm_eps.
  virtual bool leaves_no_trace(const std::string& key) const;
  /// May a network start from weights that were made with another value of such a key?
  virtual bool may_differ_at_start(const std::string&) const { return false; }
  /// What else is taken of weights that do not tell it: "features of the class token"; or empty.
  virtual std::string assumed() const { return {}; }
  /// Complaints about its settings, without the section's name.
  virtual std::vector<std::string> problems(const ModelOptions& options,
                                            const ImageShape& shape) const = 0;
  /// The published Python's choices where the student is of this family, as INI text, above those
  /// of all students.
  virtual std::string published_settings() const { return {}; }

  // Networks.
  /// Between stage `cut` - 1 and stage `cut`, 0 < cut < stages, of the full model.
  virtual Boundary boundary(const ModelOptions& options, const ImageShape& shape,
                            int cut) const = 0;
  /// Can its full stages surround another network's, as a meta or a teacher does?
  virtual bool surrounds() const { return true; }
  /// Do its full stages run on another number of tokens than their own?
  virtual bool runs_on_any_tokens() const { return true; }
  /// Does its distill form take whatever tokens the chain around has, and hand on others?
  virtual bool takes_any_tokens() const { return false; }
  /// Does the mediators' graph start from a prior (graph_prior.hpp)?
  virtual bool has_graph_prior() const { return false; }
  virtual StagePtr shared_tensors(const ModelOptions&, at::TensorOptions) const { return nullptr; }
  virtual StagePtr stage(const ModelOptions& options, const ImageShape& shape, int index,
                         const Surrounding& around, const StagePtr& shared,
                         at::TensorOptions tensor) const = 0;
  virtual StagePtr distill_form(const ModelOptions& options, const ImageShape& shape, int index,
                                const Surrounding& around, at::TensorOptions tensor) const = 0;
  /// Default: same names, stitches discarded unless they are kept.
  virtual AssemblyMap assembly_map(const ModelOptions& options, const ImageShape& distilled,
                                   const ImageShape& assembled) const;
  /// Default: nothing.
  virtual std::function<bool(const std::string&)> fresh_in_assembly(
      const ImageShape& distilled, const ImageShape& assembled) const;
  /// The dense network whose weights it can be upcycled from; nothing where there is none.
  virtual std::optional<ModelOptions> dense(const ModelOptions&) const { return std::nullopt; }
  /// Default: as they are.
  virtual NamedTensors upcycle(const NamedTensors& dense, const ModelOptions&) const {
    return dense;
  }
  virtual bool fresh_in_upcycling(const std::string&) const { return false; }

  // Names of tensors (tensor_names.hpp). The defaults are those of a chain of blocks under timm's
  // names: blocks.<n>, patch_embed, pos_embed and cls_token before them, norm and head behind.
  /// Are these, flat or within stages, names of such a network? Asked of the last family first.
  virtual bool recognises(const std::vector<std::string>& keys) const = 0;
  /// 3 of "blocks.3.attn.qkv.weight".
  virtual std::optional<std::int64_t> block_of(const std::string& key) const;
  /// Does this name tell its stage? Those of a NAC's student modules do not.
  virtual bool tells_stage(const std::string&) const { return true; }
  /// Blocks per stage where flat names tell them; else empty.
  virtual std::vector<std::int64_t> told_depths(const std::vector<std::string>&) const {
    return {};
  }
  /// "blocks.3.attn.qkv.weight" of {1, "blocks.0.attn.qkv.weight"} where stage 0 has three blocks.
  virtual std::string flat_name(const StagedName& name,
                                const std::vector<std::int64_t>& depths) const;
  /// The reverse. Throws Error when the block lies beyond the depths, or when the name belongs to
  /// no part of such a network.
  virtual StagedName staged_name(const std::string& flat,
                                 const std::vector<std::int64_t>& depths) const;
  /// "names flat, blocks counted through the network": what flat_name() gives.
  virtual std::string flat_names_text() const {
    return "names flat, blocks counted through the network";
  }
  /// The entry of a .pth file in which the published code looks for its weights; or empty.
  virtual std::string checkpoint_entry() const { return {}; }

  // Weights from outside.
  /// Blocks per stage as staged names count them: as many entries as the highest stage needs, 0
  /// where a stage is absent, one more where the last one is not the network's last.
  virtual std::vector<std::int64_t> seen_depths(const std::vector<StagedName>& names) const;
  /// Fills in what the tensors show: options but for depths, image, distilled stages.
  virtual void see(const StagedTensors& tensors, SeenModel& seen) const = 0;
  /// What weights do not tell, by what is usual; `said`: keys that a setting gives.
  virtual void guess(SeenModel& seen, const Guessing& guessing) const = 0;
  /// The position embedding for images of `image_size` pixels, bicubic on the square grid of
  /// patches, align_corners = false (reference/vmoe §1.7). Of equal size it stays as it is. Throws
  /// Error when there is none, its grid is no square, or the patches do not divide the image.
  virtual void resize_positions(StagedTensors& tensors, std::int64_t image_size,
                                EditNotes& notes) const;
  /// A head of `classes` rows: where the file has another one or none, an empty one, to be filled
  /// by its own rule. True when it was replaced.
  virtual bool replace_head(StagedTensors& tensors, std::int64_t classes, EditNotes& notes) const;
};

/// The table: one line per family (src/nn/families.cpp).
const std::vector<const Family*>& families();
/// By its name. Throws std::invalid_argument that lists the known ones.
const Family* family(std::string_view name);
/// The family that the names of a file's tensors show.
const Family& recognise(const std::vector<std::string>& keys);
const Family& recognise(const NamedTensors& tensors);
const Family& recognise(const StagedTensors& tensors);

}  // namespace m2mkd
