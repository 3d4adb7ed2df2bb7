// The distill forms: the same layers inside a transformer's chain, without kernel, with frozen
// random codes and states, and with linear stitches (reference/nac §3).

#include <ATen/ATen.h>

#include <m2mkd/base/error.hpp>

#include "layers.hpp"

namespace m2mkd::nac {
namespace {

/// What all three kinds have: stitches, and random tensors that never train.
class DistillForm : public Stage {
 public:
  /// `before`, `after`: width of the chain at that end, 0: no stitch.
  DistillForm(const ModelOptions& options, const ImageShape& shape, std::int64_t before,
              std::int64_t after, at::TensorOptions tensor)
      : options_(options), sizes_(options, shape) {
    if (before > 0) pre_stitch_ = Linear(before, options.width, true, tensor);
    if (after > 0) post_stitch_ = Linear(options.width, after, true, tensor);
  }
  std::vector<Parameter> buffers() const override { return buffers_; }

 protected:
  at::Tensor random(const std::string& name, std::int64_t rows, std::int64_t width,
                    at::TensorOptions tensor) {
    buffers_.push_back(
        {name,
         at::empty({options_.own<NacOptions>().single_code ? 1 : rows, width}, tensor),
         {Initial::Kind::normal, 1}});
    return buffers_.back().tensor;
  }
  static at::Tensor stitched(const std::optional<Linear>& stitch, const at::Tensor& x) {
    return stitch ? (*stitch)(x) : x;
  }
  at::Tensor in(const at::Tensor& x) const { return stitched(pre_stitch_, x); }
  at::Tensor out(const at::Tensor& x) const { return stitched(post_stitch_, x); }
  void list_pre_stitch(ParameterList& list) const {
    if (pre_stitch_) list_linear(list, "pre_stitch", *pre_stitch_);
  }
  void list_post_stitch(ParameterList& list) const {
    if (post_stitch_) list_linear(list, "post_stitch", *post_stitch_);
  }
  Work stitch_work(double tokens) const {
    double weights = 0;
    for (const auto* stitch : {&pre_stitch_, &post_stitch_})
      if (*stitch) weights += 2 * tokens * static_cast<double>((*stitch)->weight.numel());
    return {weights, 0};
  }

  ModelOptions options_;
  Sizes sizes_;

 private:
  std::optional<Linear> pre_stitch_, post_stitch_;
  std::vector<Parameter> buffers_;
};

at::Tensor for_batch(const at::Tensor& states, std::int64_t batch) {
  return states.unsqueeze(0).expand({batch, states.size(0), states.size(1)});
}

class ReadInForm : public DistillForm {
 public:
  ReadInForm(const ModelOptions& options, const ImageShape& shape, std::int64_t outer_width,
             at::TensorOptions tensor)
      : DistillForm(options, shape, 0, outer_width, tensor),
        layer_(options, shape, tensor),
        codes_(random("codes", sizes_.inputs, sizes_.code, tensor)),
        states_(random("states", sizes_.inputs, sizes_.width, tensor)) {}

  at::Tensor forward(const at::Tensor& images, const ForwardContext&) const override {
    return out(layer_(images, for_batch(states_, images.size(0)), codes_));
  }

  std::vector<Parameter> parameters() const override {
    ParameterList list;
    const auto& n = options_.own<NacOptions>();
    layer_.tokenizer.list(list, "tokenizer");
    layer_.attention.list(list, "read_in.read_in_attention", n.modulation);
    layer_.ffn.list(list, "read_in.ffn", n.modulation, n.distill_ffn_scale);
    list_post_stitch(list);
    return list.take();
  }

  StageCost cost(std::int64_t) const override {
    const auto count = static_cast<double>(states_.size(0));
    return layer_.cost(count, stitch_work(count));
  }
  std::int64_t tokens_out(std::int64_t) const override { return states_.size(0); }

 private:
  ReadIn layer_;
  at::Tensor codes_, states_;
};

class MediatorForm : public DistillForm {
 public:
  MediatorForm(const ModelOptions& options, const ImageShape& shape, int index, std::int64_t before,
               std::int64_t after, std::int64_t tokens, at::TensorOptions tensor)
      : DistillForm(options, shape, before, after, tensor),
        layer_(options, index, tensor),
        codes_(random("codes", tokens, sizes_.code, tensor)) {}

  at::Tensor forward(const at::Tensor& x, const ForwardContext& context) const override {
    return out(layer_(in(x), x.size(1), codes_, codes_, {}, context));
  }

  std::vector<Parameter> parameters() const override {
    ParameterList list;
    list_pre_stitch(list);
    list_latent_layer(list, "", layer_, options_.own<NacOptions>());
    list_post_stitch(list);
    return list.take();
  }

  StageCost cost(std::int64_t tokens) const override {
    const auto count = static_cast<double>(tokens);
    return latent_cost(options_, count, count, stitch_work(count));
  }
  std::int64_t tokens_out(std::int64_t tokens) const override { return tokens; }

 private:
  Propagator layer_;
  at::Tensor codes_;
};

class ReadOutForm : public DistillForm {
 public:
  ReadOutForm(const ModelOptions& options, const ImageShape& shape, std::int64_t outer_width,
              std::int64_t tokens, at::TensorOptions tensor)
      : DistillForm(options, shape, outer_width, 0, tensor),
        layer_(options, shape, tensor),
        sender_codes_(random("codes", tokens, sizes_.code, tensor)),
        codes_(options.own<NacOptions>().single_code
                   ? sender_codes_
                   : random("latent_codes", sizes_.outputs, sizes_.code, tensor)),
        states_(random("states", sizes_.outputs, sizes_.width, tensor)) {}

  at::Tensor forward(const at::Tensor& x, const ForwardContext& context) const override {
    const auto states =
        layer_.attend(for_batch(states_, x.size(0)), in(x), codes_, sender_codes_, {});
    return layer_.classify(states, context);
  }

  std::vector<Parameter> parameters() const override {
    ParameterList list;
    list_pre_stitch(list);
    list_latent_layer(list, "", layer_, options_.own<NacOptions>());
    layer_.list_tokenizer(list, "tokenizer", states_.size(0));
    return list.take();
  }

  StageCost cost(std::int64_t tokens) const override {
    Work more = stitch_work(static_cast<double>(tokens));
    more += layer_.logits_work();
    return latent_cost(options_, static_cast<double>(states_.size(0)), static_cast<double>(tokens),
                       more);
  }
  std::int64_t tokens_out(std::int64_t) const override { return 0; }

 private:
  ReadOut layer_;
  at::Tensor sender_codes_, codes_, states_;
};

}  // namespace
}  // namespace m2mkd::nac

namespace m2mkd {

StagePtr make_nac_distill_form(const ModelOptions& options, const ImageShape& shape, int index,
                               const Surrounding& around, at::TensorOptions tensor) {
  const auto stitch = [&](const Boundary& outer) {
    return stitch_width(options.stitch, options.width, outer.width);
  };
  const auto before = stitch(around.in), after = stitch(around.out), tokens = around.in.tokens;
  if (index == 0) return std::make_shared<nac::ReadInForm>(options, shape, after, tensor);
  require(tokens > 0, "make_nac_distill_form: the tokens of the chain around are not known");
  if (index + 1 == options.stages())
    return std::make_shared<nac::ReadOutForm>(options, shape, before, tokens, tensor);
  return std::make_shared<nac::MediatorForm>(options, shape, index, before, after, tokens, tensor);
}

}  // namespace m2mkd
