#pragma once
// One module of a network: tensor in, tensor out.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include <m2mkd/store/tensor_file.hpp>

namespace m2mkd {

/// How a parameter starts.
struct Initial {
  enum class Kind { zeros, ones, normal, uniform, constant } kind = Kind::zeros;
  double scale = 0.0;  ///< standard deviation, bound of [-scale, scale), or the constant
};

/// A leaf tensor that can be trained, under its stage-local name.
struct Parameter {
  std::string name;
  at::Tensor tensor;
  Initial initial;
  bool idle = false;  ///< gets no gradient by nature, such as the confidence of a single latent
  bool embedding = false;  ///< a table (positions, class token, codes): no weight decay by default
};

/// What a forward found out besides its output.
struct Observations {
  std::map<std::string, at::Tensor>
      expert_load;  ///< "stages/1/blocks.0" → tokens per expert (E), int64; summed over forwards
};

/// How to run: mode, and the keys of everything random.
struct ForwardContext {
  bool training = false;  ///< drop-path active
  std::uint64_t seed = 0;
  std::uint64_t step = 0;        ///< global step
  std::int64_t first = 0;        ///< position of the first sample in the global batch
  std::int64_t micro_batch = 0;  ///< samples per micro-batch, for terms that are means over one; 0:
                                 ///< the whole input is one
  Observations* observations = nullptr;             ///< filled where not null
  std::vector<at::Tensor>* regularisers = nullptr;  ///< where not null gets the model's own loss
                                                    ///< terms: scalars, summed over the samples
};

/// FLOP per image (1 multiply-add = 2 FLOP) of one piece of work in its two forms.
struct Flops {
  double executed = 0;   ///< by this program: a network's last block for the class token only
  double published = 0;  ///< by the published Python: every block for every token

  Flops& operator+=(const Flops& other) {
    executed += other.executed;
    published += other.published;
    return *this;
  }
  friend Flops operator+(Flops a, const Flops& b) { return a += b; }
  friend Flops operator-(const Flops& a, const Flops& b) {
    return {a.executed - b.executed, a.published - b.published};
  }
};

/// Work per image, products alone.
struct StageCost {
  Flops forward;
  Flops backward;          ///< when the stage is trained
  Flops pass_through;      ///< when it is frozen and only passes the gradient to its input
  double activations = 0;  ///< elements kept for backward, roughly
};

class Stage {
 public:
  virtual ~Stage() = default;
  /// (B, C, H, W) for a first stage, else (B, N, width in) → (B, N, width out), or (B, classes) for
  /// a last stage.
  virtual at::Tensor forward(const at::Tensor& x, const ForwardContext& context) const = 0;
  /// Leaf tensors in a fixed order; stage-local names, timm's where the part is timm's.
  virtual std::vector<Parameter> parameters() const = 0;
  /// Tensors that start and are saved like parameters and never train: a NAC's random codes and
  /// states.
  virtual std::vector<Parameter> buffers() const { return {}; }
  /// The published state-dict view of parameters and buffers (detached, shared memory). Default:
  /// they themselves.
  virtual NamedTensors state() const;
  /// `tokens`: tokens of the incoming tensor (0 for a first stage).
  virtual StageCost cost(std::int64_t tokens) const = 0;
  /// Tokens of the outgoing tensor; 0 where it is logits.
  virtual std::int64_t tokens_out(std::int64_t tokens) const = 0;
};
using StagePtr = std::shared_ptr<Stage>;

}  // namespace m2mkd
