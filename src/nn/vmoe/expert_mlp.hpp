#pragma once
// The experts' two layers over tokens that are sorted by expert.

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace m2mkd {

/// Who goes where. A slot is t·k + j: the j-th choice of token t; a row is a place in the order by
/// expert (stable).
struct Routing {
  at::Tensor order;    ///< (T·k) int64: row → slot
  at::Tensor inverse;  ///< (T·k) int64: slot → row
  at::Tensor ends;     ///< (E) int32: end of each expert's rows
  std::vector<std::int64_t>
      rows;  ///< rows per expert on the host; empty where one grouped call needs no counts
  std::int64_t top_k = 1;
};

/// `choice` (T, k) int64. `on_host`: also learn the counts on the host (from a device this waits
/// for it).
Routing route(const at::Tensor& choice, std::int64_t experts, bool on_host);

/// Stacked weights of E experts: w1 (E, hidden, C), b1 (E, hidden), w2 (E, C, hidden), b2 (E, C).
struct ExpertWeights {
  at::Tensor w1, b1, w2, b2;
};

/// x (T, C), score (T, k) → (T, C): Σ_j score[t, j] · (w2 gelu(w1 x[t] + b1) + b2) with the weights
/// of expert choice[t, j]. With routing.rows: contiguous slices, one product per expert. Without:
/// grouped products that never ask the device.
at::Tensor expert_mlp(const at::Tensor& x, const at::Tensor& score, const ExpertWeights& weights,
                      const Routing& routing);

}  // namespace m2mkd
