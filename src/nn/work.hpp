#pragma once
// FLOP of one piece of a network: products with weights and products of two activations differ in
// what a frozen backward costs.

#include <m2mkd/nn/stage.hpp>

namespace m2mkd {

struct Work {
  double weights = 0, activations = 0;
  double total() const { return weights + activations; }
  Work& operator+=(const Work& other) {
    weights += other.weights;
    activations += other.activations;
    return *this;
  }
};

/// Cost of a stage that does `run` where the published Python does `published`. `images`: FLOP of
/// the product with the images, whose gradient nobody asks for; 0 for all stages but the first.
inline StageCost stage_cost(const Work& run, const Work& published, double images,
                            double elements) {
  StageCost cost;
  cost.forward = {run.total(), published.total()};
  cost.backward = {2 * run.total() - images, 2 * published.total() - images};
  if (images == 0)
    cost.pass_through = {run.weights + 2 * run.activations,
                         published.weights + 2 * published.activations};
  cost.activations = elements;
  return cost;
}

}  // namespace m2mkd
