// NAC's training steps (forward and backward) against the plain form, turn by turn in one process:
//
//   OMP_NUM_THREADS=2 build/release/bin/bench_nac [seconds per row]
//
// Ratios are medians of pairs of neighbours, so a noisy machine disturbs both sides alike.

#include <algorithm>
#include <chrono>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <m2mkd/nn/initialise.hpp>

#include "nn/nac_fill.hpp"
#include "nn/plain_nac.hpp"

namespace {

using namespace m2mkd;
using namespace m2mkd::test;

double seconds_of(const std::function<at::Tensor()>& forward, const Chain& chain) {
  const auto start = std::chrono::steady_clock::now();
  forward().sum().backward();
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
  for (const auto& parameter : parameters(chain)) {
    at::Tensor tensor = parameter.tensor;
    tensor.mutable_grad() = at::Tensor();
  }
  return time.count();
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void row(const std::string& name, std::int64_t batch, const Chain& chain, double limit,
         const std::function<at::Tensor()>& ours, const std::function<at::Tensor()>& plain) {
  seconds_of(ours, chain);
  seconds_of(plain, chain);
  std::vector<double> fast, slow, ratio;
  for (double spent = 0; ratio.size() < 3 || spent < limit; spent += fast.back() + slow.back()) {
    fast.push_back(seconds_of(ours, chain));
    slow.push_back(seconds_of(plain, chain));
    ratio.push_back(slow.back() / fast.back());
  }
  fmt::print("{:<44}{:>6}{:>12.1f}{:>12.1f}{:>9.2f}{:>6}\n", name, batch, 1e3 * median(fast),
             1e3 * median(slow), median(ratio), ratio.size());
  std::fflush(stdout);
}

void trainable(const Chain& chain) {
  for (const auto& parameter : parameters(chain)) parameter.tensor.requires_grad_(true);
}

// Link samples of every pair, kept or not, as the published kernel draws them.
at::Tensor all_links(int, at::IntArrayRef shape) {
  return at::rand(shape, at::kFloat);
}

void end_to_end(const std::string& name, const ModelOptions& options, const ImageShape& shape,
                std::int64_t batch, double limit) {
  const Chain chain = filled_nac(options, shape, at::kFloat);
  trainable(chain);
  const PlainNac plain(chain, options);
  const auto images = at::rand({batch, shape.channels, shape.size, shape.size});
  ForwardContext context;
  context.training = true;
  row(
      name, batch, chain, limit, [&] { return chain.forward(images, context); },
      [&] { return plain.forward(images, context, all_links); });
}

void read_in(const std::string& name, const ModelOptions& options, const ImageShape& shape,
             std::int64_t batch, double limit) {
  const auto form = make_distill_form(options, shape, 0, options.width, at::kFloat);
  const Chain chain{"student", {form}, nullptr};
  initialise(chain, 1);
  trainable(chain);
  const PlainNac plain(chain, options);
  const auto images = at::rand({batch, shape.channels, shape.size, shape.size});
  const auto codes = form->buffers()[0].tensor, states = form->buffers()[1].tensor;
  row(
      name, batch, chain, limit, [&] { return form->forward(images, {}); },
      [&] {
        const auto x = states.unsqueeze(0).expand({batch, -1, -1});
        const auto read = x + plain.read_in_attention("read_in.read_in_attention.", x,
                                                      plain.tokens("tokenizer.", images), codes);
        return read + plain.ffn("read_in.ffn", read, codes);
      });
}

}  // namespace

int main(int argc, char** argv) {
  const double limit = argc > 1 ? std::stod(argv[1]) : 10;
  const ModelOptions fashion = nac_fashion();
  const ImageShape grey{1, 28, 10};
  fmt::print("{:<44}{:>6}{:>12}{:>12}{:>9}{:>6}\n", "step", "images", "ours, ms", "plain, ms",
             "ratio", "pairs");
  end_to_end("end to end, nac_fashion_mnist", fashion, grey, 64, limit);
  end_to_end("end to end, nac_tiny_imagenet", nac_tiny(), kTinyImages, 4, limit);
  end_to_end("end to end, nac_imagenet", nac_imagenet(), kImageNetImages, 1, limit);
  read_in("distil the read-in, nac_fashion_mnist", fashion, grey, 64, limit);
  read_in("distil the read-in, nac_tiny_imagenet (224)", nac_tiny(), kImageNetImages, 2, limit);
  return 0;
}
