#pragma once
// Activations of frozen leading stages, computed once per batch and shared: between a hybrid and
// its teachers, and between jobs of a pack. Exact, because frozen stages run in evaluation mode.

#include <map>
#include <vector>

#include <m2mkd/nn/chain.hpp>

namespace m2mkd {

class PrefixCache {
 public:
  explicit PrefixCache(at::Tensor images) : images_(std::move(images)) {}
  /// Output of stages [0, stages) of `chain`, without gradient; the images for 0. Stages are
  /// recognised by identity.
  at::Tensor output(const Chain& chain, int stages);

 private:
  at::Tensor images_;
  std::map<std::vector<const Stage*>, at::Tensor> outputs_;
};

/// How many leading stages the two chains have in common (the same objects).
int common_stages(const Chain& a, const Chain& b);

}  // namespace m2mkd
