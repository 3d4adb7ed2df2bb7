// Every number that the second implementation of NAC gives (tests/golden/nac_reference.py, which
// was compared with the published Python's): outputs and all gradients of the full model and of
// every distill form, in double precision.

#include <fstream>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "nn/nac_fill.hpp"

namespace m2mkd {
namespace {

using namespace test;
using Json = nlohmann::json;

const Json& values() {
  static const Json json =
      Json::parse(std::ifstream(M2MKD_SOURCE_DIR "/tests/golden/nac_values.json"));
  return json;
}

void expect_facts(const at::Tensor& x, const Json& facts) {
  EXPECT_EQ(x.sizes().vec(), facts["shape"].get<std::vector<std::int64_t>>());
  const double scale = facts["mean_abs"];
  EXPECT_NEAR(x.mean().item<double>(), facts["mean"].get<double>(), 1e-12 * scale);
  EXPECT_NEAR(x.abs().mean().item<double>(), scale, 1e-12 * scale);
  const auto flat = x.flatten();
  for (std::int64_t i = 0; i < 4; ++i)
    EXPECT_NEAR(flat[i].item<double>(), facts["first"][i].get<double>(), 1e-11);
  EXPECT_NEAR(flat[-1].item<double>(), facts["last"].get<double>(), 1e-11);
}

// Of sum(y · w): `name_of` gives a parameter's name in the table.
void expect_gradients(const at::Tensor& y, const std::vector<Parameter>& parameters,
                      const Json& wanted,
                      const std::function<std::string(const std::string&)>& name_of) {
  const auto loss = (y * filled("w", y.sizes())).sum();
  EXPECT_NEAR(loss.item<double>(), wanted["loss"].get<double>(), 1e-10);
  loss.backward();
  std::size_t compared = 0;
  for (const auto& parameter : parameters) {
    const auto found = wanted["gradients"].find(name_of(parameter.name));
    ASSERT_NE(found, wanted["gradients"].end()) << parameter.name;
    const auto g = parameter.tensor.grad();
    const double norm = (*found)[1], scale = wanted["gradient_norm"];
    EXPECT_NEAR(g.defined() ? g.norm().item<double>() : 0.0, norm, 1e-9 * norm + 1e-13 * scale)
        << parameter.name;
    EXPECT_NEAR(g.defined() ? g.sum().item<double>() : 0.0, (*found)[0].get<double>(),
                1e-8 * norm + 1e-12 * scale)
        << parameter.name;
    ++compared;
  }
  EXPECT_EQ(compared, wanted["gradients"].size());
}

TEST(NacSecondGolden, FullModel) {
  const Chain chain = filled_nac(nac_tiny(), kTinyImages);
  const auto all = parameters(chain);
  for (const auto& parameter : all) parameter.tensor.requires_grad_(true);
  const auto& wanted = values()["full"];
  auto x = chain.forward(nac_input("input64", {2, 3, 64, 64}), {}, 0, 1);
  expect_facts(x.narrow(1, 0, 64).detach(), wanted["forward"]["after read-in"]);
  for (int i = 0; i < 8; ++i) {
    x = chain.forward(x, {}, 1 + i, 2 + i);
    expect_facts(x.narrow(1, 64, 256).detach(),
                 wanted["forward"]["after propagator " + std::to_string(i)]);
  }
  x = chain.forward(x, {}, 9);
  expect_facts(x.detach(), wanted["forward"]["logits"]);
  expect_gradients(x, all, wanted, [](const std::string& name) {  // "stages/0/<name>"
    return name.substr(name.starts_with("shared/") ? 7 : name.find('/', 7) + 1);
  });
}

struct Form {
  const char* name;
  int index;
  bool one_code;  ///< and one state
};

class NacSecondGoldenForms : public testing::TestWithParam<Form> {};

TEST_P(NacSecondGoldenForms, OutputAndGradients) {
  const auto& form = GetParam();
  auto options = nac_tiny();
  options.stitch = StitchRule::always;
  options.own<NacOptions>().single_code = form.one_code;
  const auto stage =
      make_distill_form(options, kImageNetImages, form.index, {1280, 257}, at::kDouble);
  for (const auto& parameter : stage->parameters())
    at::Tensor(parameter.tensor)
        .copy_(nac_values(parameter.name, parameter.tensor.sizes()))
        .requires_grad_(true);
  for (const auto& [name, tensor, initial, idle, embedding] : stage->buffers())
    at::Tensor(tensor).copy_(
        nac_input(form.one_code ? name.substr(0, name.size() - 1) : name, tensor.sizes()));
  const auto x = form.index == 0 ? nac_input("input224", {2, 3, 224, 224})
                                 : nac_input("hidden", {2, 257, 1280});
  const auto& wanted = values()["students"][form.name];
  const auto y = stage->forward(x, {});
  expect_facts(y.detach(), wanted["out"]);
  expect_gradients(y, stage->parameters(), wanted, [](const std::string& name) { return name; });
}

INSTANTIATE_TEST_SUITE_P(
    All, NacSecondGoldenForms,
    testing::Values(Form{"readin, state (1,C)", 0, true}, Form{"mediator", 1, true},
                    Form{"readout, state (1,C)", 9, true},
                    Form{"readin, codes (64,K), states (64,C)", 0, false},
                    Form{"mediator, codes (257,K)", 1, false},
                    Form{"readout, codes (257,K), latent_codes (64,K), states (64,C)", 9, false}),
    [](const auto& form) {
      const std::string name = form.param.name;
      return name.substr(0, name.find(',')) + (form.param.one_code ? "OneCode" : "OwnCodes");
    });

}  // namespace
}  // namespace m2mkd
