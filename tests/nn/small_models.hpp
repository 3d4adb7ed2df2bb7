#pragma once
// Tiny networks for the tests of nn.

#include <ATen/ATen.h>

#include <m2mkd/nn/family.hpp>
#include <m2mkd/nn/moe.hpp>

#include "nn/fill_rule.hpp"

namespace m2mkd::test {

/// 32 × 32 images with 3 channels, patch 8: 17 tokens; 10 classes.
inline const ImageShape kShape{3, 32, 10};

inline ModelOptions meta_options() {
  ModelOptions o;
  o.width = 32;
  o.heads = 4;
  o.patch = 8;
  o.depths = {1, 1, 1};
  return o;
}

inline ModelOptions teacher_options() {
  auto o = meta_options();
  o.depths = {2, 2, 2};
  return o;
}

/// Narrower than the meta: distilled with stitches.
inline ModelOptions student_options() {
  auto o = teacher_options();
  o.model = family("vmoe");
  o.width = 24;
  o.heads = 3;
  o.own<VmoeOptions>().experts = 4;
  return o;
}

inline Chain filled_chain(const ModelOptions& options, const std::string& tag,
                          at::ScalarType type) {
  auto chain = make_chain(options, kShape, 32, tag, type);
  for (int i = 0; i < chain.size(); ++i)
    fill_stage(*chain.stages[static_cast<std::size_t>(i)], fmt::format("{}.stages.{}.", tag, i));
  return chain;
}

/// Student stage `index` in its distill form inside the meta; its one stage is number 0 under
/// `tag`.
inline StagePtr filled_student(int index, const std::string& tag, at::ScalarType type) {
  auto stage = make_distill_form(student_options(), kShape, index, 32, type);
  fill_stage(*stage, tag + ".stages.0.");
  return stage;
}

inline at::Tensor filled_images(std::int64_t count, at::ScalarType type) {
  return filled("input", {count, 3, 32, 32}).to(type);
}

inline Parameter find(const Stage& stage, const std::string& name) {
  for (const auto& parameter : stage.parameters())
    if (parameter.name == name) return parameter;
  throw std::logic_error("no parameter " + name);
}

inline double difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

}  // namespace m2mkd::test
