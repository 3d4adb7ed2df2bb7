// Numbers of the published Python's own classes (reference/nac §8), in double precision.

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include "nac/kernel.hpp"
#include "nac/layers.hpp"
#include "nac/shared.hpp"
#include "nn/nac_fill.hpp"

namespace m2mkd {
namespace {

using namespace test;

constexpr double kForward = 1e-10, kGradient = 1e-6;

/// One row of the table: mean, mean of |x|, first four.
struct Row {
  double mean, mean_abs;
  std::vector<double> first;
};

void expect_near(double found, double wanted, double relative, const std::string& what) {
  EXPECT_NEAR(found, wanted, relative * std::abs(wanted)) << what;
}

// The table's numbers have 12 digits; means of thousands of numbers cancel, so they are compared on
// the scale of |x|.
void expect_row(const at::Tensor& x, const Row& row, const std::string& what) {
  expect_near(x.abs().mean().item<double>(), row.mean_abs, kForward, what + ": mean |x|");
  EXPECT_NEAR(x.mean().item<double>(), row.mean, kForward * row.mean_abs) << what << ": mean";
  const auto flat = x.flatten();
  for (std::size_t i = 0; i < row.first.size(); ++i)
    EXPECT_NEAR(flat[static_cast<std::int64_t>(i)].item<double>(), row.first[i],
                kForward * std::max(1.0, std::abs(row.first[i])))
        << what << " " << i;
}

class NacGolden : public testing::Test {
 protected:
  static void SetUpTestSuite() { chain = filled_nac(nac_tiny(), kTinyImages); }
  static void TearDownTestSuite() { chain = {}; }
  static Chain chain;
  const at::Tensor images = nac_input("input64", {2, 3, 64, 64});
};
Chain NacGolden::chain;

TEST(NacFillRule, GivesTheKnownNumbers) {
  const auto u = filled("input64", {3});
  EXPECT_NEAR(u[0].item<double>(), 0.3835604286181, 1e-13);
  EXPECT_NEAR(u[2].item<double>(), 0.323160796304357, 1e-15);
}

TEST_F(NacGolden, ForwardTable) {
  const c10::NoGradGuard no_grad;
  auto x = chain.forward(images, {}, 0, 1);
  expect_row(x.narrow(1, 0, 64),
             {0.00358155046207,
              0.484665126621,
              {-0.273657945938, -1.10206722636, 0.406276333108, -0.52304172989}},
             "after read-in");
  expect_row(x.narrow(1, 64, 256),
             {-0.000556489793256,
              0.462797320425,
              {-1.33711031775, -0.203033415108, 0.09971944067, 0.0764336492671}},
             "seed mediator");
  x = chain.forward(x, {}, 1, 2);
  expect_row(x.narrow(1, 64, 256),
             {-0.0114425862906,
              0.479018998908,
              {-1.36045041153, -0.372080541958, 0.0213448481532, 0.0717207893898}},
             "after propagator 0");
  const auto logits = chain.forward(x, {}, 2);
  expect_row(logits,
             {0.000993024023902,
              0.113983213549,
              {-0.020149038042, 0.175215161666, -0.00501123734852, -0.237446850889}},
             "logits");
  const double second[]{-0.0237771020338918, 0.1734706689819145, -0.0048995238158019};
  for (int i = 0; i < 3; ++i) expect_near(logits[1][i].item<double>(), second[i], 1e-10, "logits");
  EXPECT_TRUE(at::equal(logits.argmax(1), at::tensor({152, 152}, at::kLong)));
}

/// Fills what `list` names as a stage's own tensors are.
template <class L>
void fill_listed(L list) {
  ParameterList listed;
  list(listed);
  for (const auto& parameter : listed.take())
    at::Tensor(parameter.tensor).copy_(nac_values(parameter.name, parameter.tensor.sizes()));
}

TEST_F(NacGolden, Parts) {
  const c10::NoGradGuard no_grad;
  const auto options = nac_tiny();
  const nac::Tokenizer tokenizer(options, kTinyImages, at::kDouble);
  fill_listed([&](auto& list) { tokenizer.list(list, "input_tokenizer"); });
  expect_row(tokenizer(images),
             {-0.00352645070948,
              0.621987898394,
              {0.861264435213, -0.187783770839, -0.547092788162, -0.415792498041}},
             "tokens");
  const auto& shared = dynamic_cast<const nac::Shared&>(*chain.shared);
  expect_row(shared.seed(nac::inputs, 2, {}),
             {0.00529638023652,
              0.463640510022,
              {-0.197346032452, -1.15391214363, 0.409033486789, -0.479496300975}},
             "seed input");
  expect_row(shared.seed(nac::outputs, 2, {}),
             {0.00319584150559,
              0.465051585452,
              {0.937589428958, 0.221767973711, -0.417488037224, 0.26396959166}},
             "seed output");

  const nac::Kernel kernel(
      {options.own<NacOptions>().truncation, options.own<NacOptions>().temperature}, at::kDouble);
  const std::string graph = "latent_graphs.0.";
  fill_listed([&](auto& list) { kernel.list(list, graph + "propagators.0.latent_attention"); });
  auto affinity = kernel(shared.signatures(nac::mediators), shared.sender_signatures(), 2, 1, {});
  affinity = affinity - affinity.logsumexp({-1}, true);
  const auto finite = affinity.masked_select(affinity.isfinite());
  EXPECT_EQ(static_cast<double>(finite.numel()) / static_cast<double>(affinity.numel()),
            0.21109619140625);
  expect_near(finite.mean().item<double>(), -4.226440410641174, kForward, "log affinity");
  const double first[]{-4.176465261964034, -4.1287307813507805, -4.042458609695865};
  for (int i = 0; i < 3; ++i)
    expect_near(finite[i].item<double>(), first[i], kForward, "log affinity");

  const nac::ReadOut read_out(options, kTinyImages, at::kDouble);
  const nac::Kernel open({}, at::kDouble);
  fill_listed([&](auto& list) {
    open.list(list, graph + "read_out.latent_attention");
    read_out.attention.list(list, graph + "read_out.latent_attention", 0, 0);
    read_out.ffn.list(list, graph + "read_out.ffn", 0, 0);
  });
  const auto states =
      read_out.attend(shared.seed(nac::outputs, 2, {}), chain.forward(images, {}, 0, 9),
                      shared.codes(nac::outputs), shared.sender_codes(),
                      open(shared.signatures(nac::outputs), shared.sender_signatures(), 2, 9, {}));
  expect_row(states,
             {0.0189655043693,
              0.167626783152,
              {-0.139243132355, 0.292322200362, 0.136011678094, 0.175101105335}},
             "read-out states");
}

// reference/nac §1.6: relaxed samples of one link.
TEST(NacKernel, SamplesAsStated) {
  const auto sample = [](double p, double u) {
    return nac::relaxed_log_sample(at::scalar_tensor(p, at::kFloat),
                                   at::scalar_tensor(u, at::kFloat), 0.5)
        .item<double>();
  };
  EXPECT_NEAR(sample(0, 0.3), -33.57936, 1e-4);
  EXPECT_NEAR(sample(0.4066, 0.3), -2.5333912, 1e-5);
  EXPECT_NEAR(sample(0.4066, 0.9), -0.0259554, 1e-6);
  EXPECT_NEAR(sample(1, 0.01), -1.1920929e-07, 1e-9);
}

TEST_F(NacGolden, Gradients) {
  for (const auto& parameter : parameters(chain)) parameter.tensor.requires_grad_(true);
  const auto weights = filled("w", {2, 200});
  const auto loss = (chain.forward(images, {}) * weights).sum();
  expect_near(loss.item<double>(), 1.7722777616010563, kForward, "L");
  loss.backward();

  struct Wanted {
    const char* end;
    double sum, norm;
  };
  for (const auto& wanted : {
           Wanted{"propagators.0.latent_attention.kernel.bandwidth", -0.006707902427,
                  0.006707902427},
           {"mediator_latents.signatures_", -0.007509192396, 0.006873731282},
           {"input_latents.signatures_", 0.0004106851938, 0.002790647618},
           {"input_latents.codes_", -0.03648504347, 0.1364098042},
           {"mediator_latents.codes_", 0.08208633764, 0.2727858747},
           {"latent_seeder.code_to_state_mu.weight", 0, 14.37157408},
           {"read_in.read_in_attention.key_compiler.scale.weight", 0, 0.01744834212},
           {"propagators.3.ffn.ffn.2.scale.weight", 0, 0.07536806311},
           {"downsample_layers.0.0.weight", 0, 0.6329219101},
           {"confidence_scorer.weight", -0.002400911347, 0.02017932801},
           {"to_logits.weight", -126.8260879, 46.64514556},
       }) {
    const auto g = leaf(chain, wanted.end).grad();
    expect_near(g.norm().item<double>(), wanted.norm, kGradient, wanted.end);
    if (wanted.sum != 0)
      expect_near(g.sum().item<double>(), wanted.sum, kGradient, std::string(wanted.end) + " sum");
  }
  double squares = 0;
  for (const auto& parameter : parameters(chain))
    if (parameter.tensor.grad().defined())
      squares += parameter.tensor.grad().square().sum().item<double>();
  expect_near(std::sqrt(squares), 117.7223169, kGradient, "all parameters");
}

ModelOptions published_form() {
  auto options = nac_tiny();
  options.own<NacOptions>().single_code = true;
  options.stitch = StitchRule::always;
  return options;
}

// A distill form of the published shape, filled: the code is "code", the state the first sample of
// "state".
StagePtr filled_form(int index, const ImageShape& shape) {
  const auto form = make_distill_form(published_form(), shape, index, {1280, 257}, at::kDouble);
  for (const auto& [name, tensor] : form->state()) {
    at::Tensor target = tensor;
    if (name == "codes")
      target.copy_(nac_input("code", {1, 384}));
    else if (name == "states")
      target.copy_(nac_input("state", {2, 1, 384})[0]);
    else
      target.copy_(nac_values(name, tensor.sizes()));
  }
  return form;
}

TEST(NacStudentGolden, ReadIn) {
  const c10::NoGradGuard no_grad;
  const auto form = filled_form(0, kImageNetImages);
  // The published state differs by place in the batch: the first sample is ours.
  const auto y = form->forward(nac_input("input224", {2, 3, 224, 224}), {});
  EXPECT_EQ(y.sizes(), (std::vector<std::int64_t>{2, 1, 1280}));
  const double first[]{0.732403855737, -0.207425239782, 0.436703942766, -0.836065994657};
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(y[0][0][i].item<double>(), first[i], kForward);
}

TEST(NacStudentGolden, Mediator) {
  const c10::NoGradGuard no_grad;
  const auto form = filled_form(1, kImageNetImages);
  expect_row(form->forward(nac_input("hidden", {2, 257, 1280}), {}),
             {0.000284944563947,
              0.280002106332,
              {-0.252524291567, 0.333889556148, 0.0685317902326, 0.0952404477342}},
             "mediator");
}

}  // namespace
}  // namespace m2mkd
