// NAC: the program's forms against the plain one, randomness, assembly, distill forms.

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <m2mkd/nn/initialise.hpp>

#include "nn/nac_fill.hpp"
#include "nn/plain_nac.hpp"

namespace m2mkd {
namespace {

using namespace test;

constexpr std::int64_t kBatch = 6;

double difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

at::Tensor small_images() {
  return nac_input("images", {kBatch, 1, 12, 12});
}

// Signatures of the fill rule link few of so few latents; without truncation all would be linked.
Chain small_nac(const ModelOptions& options = nac_small()) {
  Chain chain = filled_nac(options, kSmallImages);
  for (const auto& parameter : parameters(chain)) {
    if (parameter.name.ends_with("code_to_state_logvar.bias")) parameter.tensor.fill_(-2);
    parameter.tensor.requires_grad_(true);
  }
  return chain;
}

ForwardContext training(std::int64_t first = 0, std::int64_t micro_batch = 2) {
  ForwardContext context;
  context.training = true;
  context.seed = 7;
  context.step = 3;
  context.first = first;
  context.micro_batch = micro_batch;
  return context;
}

// The numbers that the program draws for kept pairs, at their places among all pairs.
PlainNac::Links links_of(const Chain& chain, const ForwardContext& context, double truncation) {
  return [=, &chain](int layer, at::IntArrayRef shape) {
    const c10::NoGradGuard no_grad;
    const auto m = leaf(chain, "mediator_latents.signatures_"),
               all = at::cat({leaf(chain, "input_latents.signatures_"), m});
    const auto kept = (cosine_distances(m, all) <= truncation).flatten().nonzero().squeeze(1);
    const auto drawn =
        nac::sample_noise(nac::Law::uniform, shape[0], {kept.size(0)}, m.detach().options(),
                          nac::Draw::links, static_cast<std::uint32_t>(layer), context);
    return at::full({shape[0], shape[1] * shape[2]}, 0.5, at::kDouble)
        .index_copy(1, kept, drawn)
        .view(shape);
  };
}

TEST(Nac, EqualsThePlainFormInEvaluationAndTraining) {
  const auto options = nac_small();
  const Chain chain = small_nac(options);
  const PlainNac plain(chain, options);
  for (const bool trains : {false, true}) {
    ForwardContext context = training();
    context.training = trains;
    const auto links = links_of(chain, context, options.own<NacOptions>().truncation);
    const auto ours = chain.forward(small_images(), context);
    const auto theirs = plain.forward(small_images(), context, links);
    EXPECT_LT(difference(ours, theirs), 1e-12) << trains;

    std::vector<at::Tensor> leaves, mine;
    for (const auto& parameter : parameters(chain)) leaves.push_back(parameter.tensor);
    const auto weights = filled("weights", ours.sizes());
    (ours * weights).sum().backward();
    for (auto& leaf : leaves) {
      mine.push_back(leaf.grad().defined() ? leaf.grad().clone() : at::zeros_like(leaf));
      leaf.mutable_grad() = at::Tensor();
    }
    (theirs * weights).sum().backward();
    const auto names = parameters(chain);
    double total = 0;
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      const auto other = leaves[i].grad().defined() ? leaves[i].grad() : at::zeros_like(leaves[i]);
      EXPECT_LT(difference(mine[i], other), 1e-11 * (1 + other.abs().max().item<double>()))
          << names[i].name;
      total += other.abs().sum().item<double>();
      leaves[i].mutable_grad() = at::Tensor();
    }
    EXPECT_GT(total, 1);
  }
}

TEST(Nac, ReadInWithFoldedWeightsEqualsThePlainFormAtFullWidth) {
  const c10::NoGradGuard no_grad;
  auto options = nac_tiny();
  options.own<NacOptions>().single_code = false;
  options.stitch = StitchRule::never;
  const auto form = make_distill_form(options, kTinyImages, 0, {384, 257}, at::kDouble);
  fill_nac(*form);
  for (const auto& buffer : form->buffers())
    at::Tensor(buffer.tensor).copy_(nac_input(buffer.name, buffer.tensor.sizes()));
  const Chain chain{"student", {form}, nullptr};
  const PlainNac plain(chain, options);
  const auto images = nac_input("input64", {2, 3, 64, 64});
  const auto& buffers = form->buffers();
  const auto states = buffers[1].tensor.unsqueeze(0).expand({2, -1, -1});
  const auto message = plain.read_in_attention(
      "read_in.read_in_attention.", states, plain.tokens("tokenizer.", images), buffers[0].tensor);
  const auto x = states + message;
  const auto& at = [&](const char* name) { return plain.at(std::string("read_in.ffn.") + name); };
  // What the form adds after its attention is the FFN, so that differences show up there too.
  const auto ours = form->forward(images, {});
  const auto normed = at::layer_norm(x, {384}, at("layernorm.weight"), at("layernorm.bias"), 1e-5);
  EXPECT_EQ(ours.sizes(), x.sizes());
  const auto mod_fc = [&](const char* name, const at::Tensor& v) {
    const auto layer = std::string(name);
    const auto scale = at::linear(buffers[0].tensor, at((layer + ".scale.weight").c_str()));
    const auto s = 1 + at((layer + ".scale_gain").c_str()) *
                           at::layer_norm(scale, {scale.size(1)}, {}, {}, 1e-5);
    return at::linear(v * s, at((layer + ".native_weight").c_str()),
                      at((layer + ".native_bias").c_str()));
  };
  const auto halves = mod_fc("ffn.0", normed).chunk(2, -1);
  const auto wanted =
      x + at("layer_scale.gamma") * mod_fc("ffn.2", halves[0] * at::gelu(halves[1]));
  EXPECT_LT(difference(ours, wanted), 1e-12);
}

TEST(Nac, NoiseDependsOnTheMicroBatchAlone) {
  const c10::NoGradGuard no_grad;
  const Chain chain = small_nac();
  const auto images = small_images();
  const auto together = chain.forward(images, training());
  std::vector<at::Tensor> parts;
  for (std::int64_t first = 0; first < kBatch; first += 2)
    parts.push_back(chain.forward(images.narrow(0, first, 2), training(first)));
  EXPECT_LT(difference(together, at::cat(parts)), 1e-12);
  auto other = training();
  other.step = 4;
  EXPECT_GT(difference(together, chain.forward(images, other)), 1e-3);
}

TEST(Nac, EvaluatesWithoutNoiseUnlessAsked) {
  const c10::NoGradGuard no_grad;
  auto options = nac_small();
  options.own<NacOptions>().pooling = Pooling::gumbel;
  const auto images = small_images();
  const auto at_sample = [](std::int64_t first) {
    ForwardContext context;
    context.first = first;
    context.micro_batch = 1;
    return context;
  };
  const Chain calm = small_nac(options);
  EXPECT_TRUE(at::equal(calm.forward(images, at_sample(0)), calm.forward(images, at_sample(9))));
  options.own<NacOptions>().eval_noise = true;
  const Chain noisy = small_nac(options);
  const auto all = noisy.forward(images, at_sample(0));
  EXPECT_GT(difference(all, calm.forward(images, {})), 1e-3);
  const auto tail = noisy.forward(images.narrow(0, 4, 2), at_sample(4));
  EXPECT_LT(difference(all.narrow(0, 4, 2), tail), 1e-12);
}

TEST(Nac, AffinitiesInEvaluationFollowTheSignatures) {
  const Chain chain = small_nac();
  const auto images = small_images();
  const auto logits = [&] {
    const c10::NoGradGuard no_grad;
    return chain.forward(images, {});
  };
  const auto before = logits();
  EXPECT_TRUE(at::equal(before, logits()));
  // Written behind autograd's back, as optimizers and broadcasts do.
  const auto signatures = leaf(chain, "mediator_latents.signatures_");
  auto* values = signatures.data_ptr<double>();
  for (std::int64_t i = 0; i < signatures.numel(); ++i)
    values[i] *= fill_value("other", static_cast<std::uint64_t>(i));
  const auto after = logits();
  EXPECT_GT(difference(before, after), 1e-6);
  EXPECT_LT(difference(after, chain.forward(images, {}).detach()),
            1e-12);  // with gradient: no memo
}

TEST(Nac, RegularisersAreSumsOverTheSamples) {
  for (const auto prior : {Prior::barabasi_albert, Prior::planted_partition}) {
    auto options = nac_small();
    options.own<NacOptions>().prior.prior = prior;
    options.own<NacOptions>().hinge = 1.2;
    const Chain chain = small_nac(options);
    std::vector<at::Tensor> all, half;
    auto context = training();
    context.regularisers = &all;
    chain.forward(small_images(), context);
    context.regularisers = &half;
    chain.forward(small_images().narrow(0, 0, 3), context);
    // One of the hinge, one per propagator of the block model.
    EXPECT_EQ(all.size(), prior == Prior::planted_partition ? 2u : 1u);
    for (std::size_t i = 0; i < all.size(); ++i) {
      EXPECT_NE(all[i].item<double>(), 0);
      EXPECT_NEAR(all[i].item<double>(), 2 * half[i].item<double>(), 1e-12);
    }
  }
}

TEST(NacDistillForm, OneCodeIsManyEqualCodes) {
  const c10::NoGradGuard no_grad;
  auto options = nac_small();
  options.stitch = StitchRule::always;
  for (int index = 0; index < 4; ++index) {
    auto single = options;
    single.own<NacOptions>().single_code = true;
    if (index == 0 || index == 3)
      options.own<NacOptions>().input_latents = options.own<NacOptions>().output_latents = 1;
    const auto one = make_distill_form(single, kSmallImages, index, {20, 5}, at::kDouble),
               many = make_distill_form(options, kSmallImages, index, {20, 5}, at::kDouble);
    for (const auto& form : {one, many}) {
      fill_nac(*form);
      for (const auto& buffer : form->buffers())
        at::Tensor(buffer.tensor)
            .copy_(nac_input(buffer.name == "states" ? "state" : "code", {1, 16}));
    }
    const auto x = index == 0 ? small_images() : nac_input("hidden", {kBatch, 5, 20});
    const auto y = one->forward(x, {});
    EXPECT_EQ(y.size(-1), index == 3 ? 5 : 20);
    EXPECT_LT(difference(y, many->forward(x, {})), 1e-12) << index;
  }
}

TEST(NacDistillForm, HasItsOwnTokensAndBuffers) {
  auto options = nac_small();
  options.stitch = StitchRule::automatic;
  const auto form = [&](int index, std::int64_t width) {
    return make_distill_form(options, kSmallImages, index, {width, 5}, at::kFloat);
  };
  EXPECT_EQ(form(0, 20)->tokens_out(0), 3);
  EXPECT_EQ(form(1, 20)->tokens_out(5), 5);
  EXPECT_EQ(form(3, 20)->tokens_out(5), 0);
  const auto count = [](const StagePtr& stage) { return std::ssize(stage->parameters()); };
  EXPECT_EQ(count(form(1, 20)) - count(form(1, 16)), 4);  // two stitches of weight and bias
  EXPECT_EQ(count(form(0, 20)) - count(form(0, 16)), 2);
  EXPECT_EQ(form(0, 20)->buffers().size(), 2u);
  EXPECT_EQ(form(1, 20)->buffers()[0].tensor.size(0), 5);
  EXPECT_EQ(form(3, 20)->buffers().size(), 3u);
  // Drawn from the seed alone, whatever the batch or the rank.
  const Chain a{"student", {form(0, 20)}, nullptr}, b{"student", {form(0, 20)}, nullptr};
  for (const auto* chain : {&a, &b}) initialise(*chain, 11);
  EXPECT_TRUE(at::equal(buffers(a)[0].tensor, buffers(b)[0].tensor));
  EXPECT_GT(buffers(a)[0].tensor.std().item<double>(), 0.5);
}

TEST(NacAssembly, RenamesDiscardsAndLeavesFresh) {
  auto options = nac_small();
  Chain distilled{"student", {}, nullptr};
  for (int i = 0; i < 4; ++i)
    distilled.stages.push_back(make_distill_form(options, kSmallImages, i, {20, 5}, at::kDouble));
  initialise(distilled, 1);
  const auto assemble = [&](const ImageShape& shape) {
    const Chain full = make_chain(options, shape, 20, "student", at::kDouble);
    initialise(full, 2);
    return std::pair(
        full, load(full, state(distilled), "distilled", assembly_map(options, kSmallImages, shape),
                   fresh_in_assembly(options, kSmallImages, shape)));
  };
  const auto [full, report] = assemble(kSmallImages);
  EXPECT_TRUE(report.copied.empty());
  EXPECT_THAT(report.discarded,
              testing::IsSupersetOf({"stages/0/codes", "stages/0/states", "stages/3/latent_codes",
                                     "stages/1/pre_stitch.weight"}));
  EXPECT_EQ(report.discarded.size(), 7 + 2 * 6u);  // random tensors, six stitches
  EXPECT_EQ(report.fresh.size(), 6 + 6 + 3u);      // codes and signatures, seeder, bandwidths
  EXPECT_THAT(report.renamed,
              testing::Contains("stages/2/ffn.ffn.2.scale_gain -> "
                                "stages/2/latent_graphs.0.propagators.1.ffn.ffn.2.scale_gain"));

  // Other images: their grid and their classes stay at their own start.
  const auto [other, lost] = assemble({1, 24, 7});
  EXPECT_EQ(lost.discarded.size(), report.discarded.size() + 5);
  EXPECT_THAT(lost.fresh, testing::IsSupersetOf({"stages/0/input_tokenizer.positional_grid.grid",
                                                 "stages/3/output_tokenizer.to_logits.weight"}));
  EXPECT_EQ(other.forward(nac_input("x", {2, 1, 24, 24}), {}).size(1), 7);
}

// Counted by hand: queries and exits of the receivers, keys and values of all latents, both
// products of the attention, the three matrices of the gated FFN; one multiply-add is two.
TEST(NacCost, OfAPropagatorAndOfTheReadOut) {
  const double c = 384, hidden = 768, senders = 64 + 256;
  const auto work = [&](double receivers) {
    return 2 * (2 * receivers * c * c + 2 * senders * c * c + 2 * receivers * senders * c +
                3 * receivers * c * hidden);
  };
  const at::TensorOptions nowhere(at::kMeta);
  const auto shared = make_shared_tensors(nac_tiny(), nowhere);
  const auto flops = [&](int stage) {
    return make_stage(nac_tiny(), kTinyImages, stage, 0, nowhere, shared)
        ->cost(64 + 256)
        .forward.executed;
  };
  EXPECT_DOUBLE_EQ(flops(1), work(256));
  EXPECT_DOUBLE_EQ(flops(9), work(64) + 2 * c * 200);
}

}  // namespace
}  // namespace m2mkd
