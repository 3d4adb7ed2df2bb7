#pragma once
// A network is a chain of stages; a slice or a splice of chains is a chain. Copies share their
// stages.
//
//   Chain hybrid = splice(meta, 2, student.stages[2]);   // meta[0,2) ∘ student[2] ∘ meta[3,L)

#include <string>
#include <vector>

#include <m2mkd/nn/stage.hpp>

namespace m2mkd {

struct Chain {
  std::string
      role;  ///< "meta", "teacher", "student": keys the initialisation, names it in messages
  std::vector<StagePtr> stages;  ///< stages[i] may be null where a job does not need it
  StagePtr shared;               ///< tensors that several stages use; null where there are none

  int size() const { return static_cast<int>(stages.size()); }
  /// Runs stages [first, last); last = -1: to the end. Dropping no stage gives (B, C, H, W) → (B,
  /// classes).
  at::Tensor forward(at::Tensor x, const ForwardContext& context, int first = 0,
                     int last = -1) const;
};

/// `base` with stage `index` replaced. Throws std::logic_error if the index is out of range.
Chain splice(const Chain& base, int index, StagePtr stage);

/// Leaf tensors of the non-null stages as "stages/<i>/<key>" and "shared/<key>", in order.
std::vector<Parameter> parameters(const Chain& chain);
/// The same for the buffers.
std::vector<Parameter> buffers(const Chain& chain);
/// State-dict view: the published keys ("stages/<i>/<key>"), experts one by one, detached, sharing
/// memory.
NamedTensors state(const Chain& chain);
std::int64_t parameter_count(const Chain& chain);

/// Fills every parameter of every stage by its own rule, keyed by (seed, role, name): a stage
/// starts alike alone, in a pack or whole.
void initialise(const Chain& chain, std::uint64_t seed);

/// Sets requires_grad on every parameter of one stage.
void set_trainable(const Stage& stage, bool trainable);

/// What a strict load did, printed and stored.
struct LoadReport {
  std::vector<std::string> copied, renamed, discarded, fresh;
};

/// Where a tensor of a file goes ("stages/0/norm.weight" → the same, another name, or nothing =
/// discarded).
using AssemblyMap = std::function<std::optional<std::string>(const std::string& name)>;

/// Copies `tensors` into `chain` by `map` (default: same names). Strict: every tensor of the file
/// is used or discarded by the map; every tensor of the chain is filled or accepted by
/// `may_stay_fresh` (default: none). Anything else, and a shape that differs, is an Error that
/// names up to five tensors and `source`.
LoadReport load(const Chain& chain, const NamedTensors& tensors, const std::string& source,
                const AssemblyMap& map = {},
                const std::function<bool(const std::string& name)>& may_stay_fresh = {});

}  // namespace m2mkd
