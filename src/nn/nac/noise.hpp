#pragma once
// Bulk noise from ATen's generators, seeded anew for every micro-batch and place: nothing depends
// on ranks or on how many micro-batches one forward holds.

#include <m2mkd/nn/stage.hpp>

namespace m2mkd::nac {

/// What a draw is for; with the layer's number it keys the stream.
enum class Draw : std::uint32_t { code, receiver_code, sender_code, state, links, pooling };

/// U[0, 1) of `shape`, alike for all samples of a step.
at::Tensor step_uniform(at::IntArrayRef shape, const at::TensorOptions& tensor, Draw draw,
                        std::uint32_t layer, const ForwardContext& context);

enum class Law { uniform, normal, exponential };
/// Numbers for each of `batch` samples, (batch, shape...), by micro-batch.
at::Tensor sample_noise(Law law, std::int64_t batch, at::IntArrayRef shape,
                        const at::TensorOptions& tensor, Draw draw, std::uint32_t layer,
                        const ForwardContext& context);

/// c + U(−x|c|, x|c|), without gradient through the noise; c itself outside training.
at::Tensor noisy_codes(const at::Tensor& codes, double scale, Draw draw, std::uint32_t layer,
                       const ForwardContext& context);

}  // namespace m2mkd::nac
