#pragma once
// A network whose answers are written in its images, and a data set for it.

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include <m2mkd/nn/chain.hpp>
#include <m2mkd/train/evaluator.hpp>

namespace m2mkd::test {

/// Counts its forwards and passes the tensor on; the last one of a chain gives the logits that the
/// first 8 elements of an image say, and reports the largest as the expert that was used.
class ToyStage : public Stage {
 public:
  explicit ToyStage(bool logits = false) : logits_(logits) {}
  at::Tensor forward(const at::Tensor& x, const ForwardContext& context) const override {
    ++forwards;
    if (!logits_) return x.clone();
    const at::Tensor z = x.flatten(1).slice(1, 0, 8);
    if (context.observations != nullptr) {
      auto& load = context.observations->expert_load["stages/2/blocks.0"];
      const at::Tensor used = at::bincount(z.argmax(1), {}, 8);
      load = load.defined() ? load + used : used;
    }
    return z;
  }
  std::vector<Parameter> parameters() const override { return {}; }
  StageCost cost(std::int64_t) const override { return {}; }
  std::int64_t tokens_out(std::int64_t tokens) const override { return tokens; }

  mutable int forwards = 0;

 private:
  bool logits_;
};

inline Chain toy_chain() {
  return {"toy",
          {std::make_shared<ToyStage>(), std::make_shared<ToyStage>(),
           std::make_shared<ToyStage>(true)},
          nullptr};
}

inline int forwards(const Chain& chain, std::size_t stage) {
  return static_cast<const ToyStage&>(*chain.stages[stage]).forwards;
}

inline double toy_logit(std::int64_t image, std::int64_t element) {
  return static_cast<float>(Random(1, Purpose::test, static_cast<std::uint64_t>(image),
                                   static_cast<std::uint32_t>(element))
                                .normal());
}
inline std::int32_t toy_label(std::int64_t image) {
  return static_cast<std::int32_t>(image * 5 % 8);
}

/// `count` tensors of 1 × 4 × 4 in 8 classes.
inline DataOptions write_toy_data(const std::filesystem::path& path, std::int64_t count) {
  ImageFileInfo info;
  info.name = "toy";
  info.split = "test";
  info.count = count;
  info.channels = 1;
  info.height = info.width = 4;
  info.form = ImageForm::tensor;
  for (int c = 0; c < 8; ++c) info.classes.push_back("c" + std::to_string(c));
  ImageFileWriter writer(path, info);
  std::vector<float> image(16);
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::size_t k = 0; k < image.size(); ++k)
      image[k] = static_cast<float>(toy_logit(i, static_cast<std::int64_t>(k)));
    writer.add(std::as_bytes(std::span(image)), toy_label(i));
  }
  writer.finish();
  DataOptions data;
  data.train = data.test = path;
  return data;
}

/// What evaluate() must find, by plain loops.
inline Accuracy toy_accuracy(std::int64_t count) {
  Accuracy a;
  a.count = count;
  auto& load = a.expert_load["stages/2/blocks.0"];
  load.resize(8);
  for (std::int64_t i = 0; i < count; ++i) {
    const double own = toy_logit(i, toy_label(i));
    double sum = 0;
    std::int64_t better = 0, best = 0;
    for (std::int64_t c = 0; c < 8; ++c) {
      sum += std::exp(toy_logit(i, c));
      better += toy_logit(i, c) > own ? 1 : 0;
      if (toy_logit(i, c) > toy_logit(i, best)) best = c;
    }
    ++load[static_cast<std::size_t>(best)];
    a.acc1 += better < 1 ? 100.0 / static_cast<double>(count) : 0;
    a.acc5 += better < 5 ? 100.0 / static_cast<double>(count) : 0;
    a.loss += (std::log(sum) - own) / static_cast<double>(count);
  }
  return a;
}

inline std::optional<std::vector<Accuracy>> evaluate_toy(const std::vector<Chain>& chains,
                                                         const DataOptions& data,
                                                         const Communicator& group) {
  const Dataset dataset(data, Split::test);
  return evaluate(chains, {dataset, data, 4, Precision::fp64, group, c10::Device(c10::kCPU)});
}

}  // namespace m2mkd::test
