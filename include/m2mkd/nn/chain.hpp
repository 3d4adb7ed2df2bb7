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

/// Sets requires_grad on every parameter of one stage.
void set_trainable(const Stage& stage, bool trainable);

}  // namespace m2mkd
