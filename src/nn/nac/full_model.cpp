// The stages of the full model.

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <m2mkd/base/error.hpp>

#include "kernel.hpp"
#include "layers.hpp"
#include "noise.hpp"
#include "shared.hpp"

namespace m2mkd::nac {
namespace {

/// What all three kinds of stages know.
class NacStage : public Stage {
 public:
  NacStage(const ModelOptions& options, const ImageShape& shape, int index, SharedPtr shared)
      : options_(options), sizes_(options, shape), index_(index), shared_(std::move(shared)) {}

 protected:
  std::uint32_t layer() const { return static_cast<std::uint32_t>(index_); }
  double latents() const { return static_cast<double>(sizes_.inputs + sizes_.mediators); }
  at::Tensor receiver_codes(Group group, const ForwardContext& context) const {
    return noisy_codes(shared_->codes(group), options_.own<NacOptions>().code_noise,
                       Draw::receiver_code, layer(), context);
  }
  at::Tensor sender_codes(const ForwardContext& context) const {
    return noisy_codes(shared_->sender_codes(), options_.own<NacOptions>().code_noise,
                       Draw::sender_code, layer(), context);
  }
  /// Adds weight · value per sample to the loss.
  void regularise(const at::Tensor& value, double weight, std::int64_t samples,
                  const ForwardContext& context) const {
    context.regularisers->push_back(value * (weight * static_cast<double>(samples)));
  }

  ModelOptions options_;
  Sizes sizes_;
  int index_;
  SharedPtr shared_;
};

class ReadInStage : public NacStage {
 public:
  ReadInStage(const ModelOptions& options, const ImageShape& shape, int index, SharedPtr shared,
              at::TensorOptions tensor)
      : NacStage(options, shape, index, std::move(shared)), layer_(options, shape, tensor) {}

  at::Tensor forward(const at::Tensor& images, const ForwardContext& context) const override {
    const auto batch = images.size(0);
    const auto states =
        layer_(images, shared_->seed(inputs, batch, context), receiver_codes(inputs, context));
    return at::cat({states, shared_->seed(mediators, batch, context)}, 1);
  }

  std::vector<Parameter> parameters() const override {
    ParameterList list;
    const auto& n = options_.own<NacOptions>();
    layer_.tokenizer.list(list, "input_tokenizer");
    layer_.attention.list(list, "latent_graphs.0.read_in.read_in_attention", n.modulation);
    layer_.ffn.list(list, "latent_graphs.0.read_in.ffn", n.modulation, n.layer_scale);
    return list.take();
  }

  StageCost cost(std::int64_t) const override {
    return layer_.cost(static_cast<double>(sizes_.inputs), {});
  }
  std::int64_t tokens_out(std::int64_t) const override { return sizes_.inputs + sizes_.mediators; }

 private:
  ReadIn layer_;
};

class PropagatorStage : public NacStage {
 public:
  PropagatorStage(const ModelOptions& options, const ImageShape& shape, int index, SharedPtr shared,
                  at::TensorOptions tensor)
      : NacStage(options, shape, index, std::move(shared)),
        layer_(options, index, tensor),
        kernel_({options.own<NacOptions>().truncation, options.own<NacOptions>().temperature},
                tensor) {}

  at::Tensor forward(const at::Tensor& x, const ForwardContext& context) const override {
    const auto& signatures = shared_->signatures(mediators);
    const auto affinity =
        kernel_(signatures, shared_->sender_signatures(), x.size(0), layer(), context);
    const auto states = layer_(x, sizes_.mediators, receiver_codes(mediators, context),
                               sender_codes(context), affinity, context);
    if (context.regularisers && block_model_weight(options_.own<NacOptions>()) > 0) {
      const auto& n = options_.own<NacOptions>();
      regularise(block_model_loss(kernel_.links(signatures, signatures), block_clusters(n),
                                  n.prior.prior_p_in, n.prior.prior_p_out,
                                  n.match_rows_only ? Matching::rows : Matching::graph),
                 block_model_weight(n), x.size(0), context);
    }
    return at::cat({x.narrow(1, 0, sizes_.inputs), states}, 1);
  }

  std::vector<Parameter> parameters() const override {
    ParameterList list;
    const auto prefix = fmt::format("latent_graphs.0.propagators.{}.", index_ - 1);
    kernel_.list(list, prefix + "latent_attention");
    list_latent_layer(list, prefix, layer_, options_.own<NacOptions>());
    return list.take();
  }

  StageCost cost(std::int64_t) const override {
    return latent_cost(options_, static_cast<double>(sizes_.mediators), latents(), {});
  }
  std::int64_t tokens_out(std::int64_t tokens) const override { return tokens; }

 private:
  Propagator layer_;
  Kernel kernel_;
};

class ReadOutStage : public NacStage {
 public:
  ReadOutStage(const ModelOptions& options, const ImageShape& shape, int index, SharedPtr shared,
               at::TensorOptions tensor)
      : NacStage(options, shape, index, std::move(shared)),
        layer_(options, shape, tensor),
        kernel_({}, tensor) {}

  at::Tensor forward(const at::Tensor& x, const ForwardContext& context) const override {
    const auto affinity = kernel_(shared_->signatures(outputs), shared_->sender_signatures(),
                                  x.size(0), layer(), context);
    const auto states =
        layer_.attend(shared_->seed(outputs, x.size(0), context), x,
                      receiver_codes(outputs, context), sender_codes(context), affinity);
    if (context.regularisers && hinge_weight(options_.own<NacOptions>()) > 0)
      regularise(
          hinge_repulsion(at::cat({shared_->sender_signatures(), shared_->signatures(outputs)}),
                          options_.own<NacOptions>().hinge),
          hinge_weight(options_.own<NacOptions>()), x.size(0), context);
    return layer_.classify(states, context);
  }

  std::vector<Parameter> parameters() const override {
    ParameterList list;
    const std::string prefix = "latent_graphs.0.read_out.";
    kernel_.list(list, prefix + "latent_attention");
    list_latent_layer(list, prefix, layer_, options_.own<NacOptions>());
    layer_.list_tokenizer(list, "output_tokenizer", sizes_.outputs);
    return list.take();
  }

  StageCost cost(std::int64_t) const override {
    return latent_cost(options_, static_cast<double>(sizes_.outputs), latents(),
                       layer_.logits_work());
  }
  std::int64_t tokens_out(std::int64_t) const override { return 0; }

 private:
  ReadOut layer_;
  Kernel kernel_;
};

}  // namespace
}  // namespace m2mkd::nac

namespace m2mkd {

StagePtr make_nac_shared(const ModelOptions& options, at::TensorOptions tensor) {
  return std::make_shared<nac::Shared>(options, tensor);
}

StagePtr make_nac_stage(const ModelOptions& options, const ImageShape& shape, int index,
                        const StagePtr& shared, at::TensorOptions tensor) {
  const auto tensors = std::dynamic_pointer_cast<const nac::Shared>(shared);
  require(tensors != nullptr, "make_nac_stage: the stages of a NAC need its shared tensors");
  if (index == 0) return std::make_shared<nac::ReadInStage>(options, shape, index, tensors, tensor);
  if (index + 1 == options.stages())
    return std::make_shared<nac::ReadOutStage>(options, shape, index, tensors, tensor);
  return std::make_shared<nac::PropagatorStage>(options, shape, index, tensors, tensor);
}

}  // namespace m2mkd
