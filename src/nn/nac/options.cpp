#include <algorithm>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "shared.hpp"

namespace m2mkd {
namespace {

const Keys<NacOptions>& full_model_keys() {
  using O = NacOptions;
  static const Keys<O> keys = [] {
    Keys<O> k;
    k.add("mediator_latents", &O::mediator_latents, "nac: latents that the propagators update",
          within<std::int64_t>(1, 65536));
    k.add("signature_width", &O::signature_width, "nac: width of a signature",
          within<std::int64_t>(1, 65536));
    k.add<double>("code_noise", &O::code_noise, "nac: noise on codes in training, relative to them",
                  below(0.0, 1.0));
    k.add<double>(
        "truncation", &O::truncation,
        "nac: cosine distance beyond which propagators see no link, 0 to 2; 0: none is cut",
        within(0.0, 2.0));
    k.add<double>("temperature", &O::temperature,
                  "nac: temperature of the sampled links in training; 0: no sampling",
                  within(0.0, 1e3));
    k.add("signature_loss", &O::signature_loss,
          "nac: regulariser of the signatures: prior (block_model for planted_partition, hinge for "
          "the others), hinge, block_model, none");
    k.add<double>("signature_weight", &O::signature_weight,
                  "nac: its weight; 0: the published one, 0.1 for hinge and 1 for block_model",
                  within(0.0, 1e3));
    k.add<double>("hinge", &O::hinge, "nac: distance beneath which signatures repel each other",
                  within(0.0, 2.0));
    k.add("match_rows_only", &O::match_rows_only,
          "nac: block_model matches rows alone (published), which is no matching of graphs");
    k.add("block_clusters", &O::block_clusters,
          "nac: clusters of block_model; 0: prior_clusters (published for ImageNet: 8 for a prior "
          "of 12)",
          within<std::int64_t>(0, 65536));
    k.include(&O::prior, PriorOptions::keys());
    return k;
  }();
  return keys;
}

}  // namespace

Keys<NacOptions> NacOptions::keys() {
  using O = NacOptions;
  const auto size = within<std::int64_t>(1, 65536);
  Keys<O> k;
  k.add("input_latents", &O::input_latents, "nac: latents that read the image", size);
  k.add("output_latents", &O::output_latents, "nac: latents that give the logits", size);
  k.add("code_width", &O::code_width, "nac: width of a code; 0: width",
        within<std::int64_t>(0, 65536));
  k.add("position_width", &O::position_width, "nac: channels of the learned grid of positions",
        size);
  k.add<std::vector<std::int64_t>>(
      "tokenizer_depths", &O::tokenizer_depths,
      "nac: ConvNeXt blocks per level of the tokenizer; each level after the first halves the grid",
      each_within<std::int64_t>(1, 1000, 1));
  k.add("modulation", &O::modulation, "nac: start of the gain by which codes scale inputs",
        within(-1e3, 1e3));
  k.add("layer_scale", &O::layer_scale, "nac: start of the residual branches' scale",
        within(-1e3, 1e3));
  k.add("pooling", &O::pooling, "nac: output latents weighted by gumbel-softmax, or softmax");
  k.add("eval_noise", &O::eval_noise,
        "nac: state noise and Gumbel noise in evaluation too (published)");
  k.add("single_code", &O::single_code,
        "nac: distilled stages have one random code and one state for all latents (published)");
  k.add("distill_ffn_scale", &O::distill_ffn_scale,
        "nac: start of the distilled read-in's FFN scale; published: 1e-6", within(-1e3, 1e3));
  for (const auto& key : full_model_keys().keys()) k.take(key);
  return k;
}

const std::vector<std::string>& nac_full_model_keys() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list;
    for (const auto& key : full_model_keys().keys()) list.push_back(key.name);
    return list;
  }();
  return names;
}

std::vector<std::string> nac_keys() {
  std::vector<std::string> names;
  const auto keys = NacOptions::keys();
  for (const auto& key : keys.keys()) names.push_back(key.name);
  return names;
}

std::vector<std::string> check_nac(const ModelOptions& o, const ImageShape& shape) {
  std::vector<std::string> problems;
  const auto& n = o.own<NacOptions>();
  if (o.stages() < 3 || *std::ranges::max_element(o.depths) > 1)
    problems.push_back(
        "depths: a NAC has one layer per stage, read-in, propagators and read-out: three ones or "
        "more");
  const auto levels = static_cast<std::int64_t>(n.tokenizer_depths.size());
  if (o.width % (std::int64_t{1} << std::min<std::int64_t>(levels, 62)) != 0)
    problems.push_back(
        fmt::format("width = {}: must be divisible by {}: each of the {} levels of the tokenizer "
                    "has half the width of the next, the last one half of this",
                    o.width, std::int64_t{1} << levels, levels));
  else if (nac::Sizes(o, shape).grid < 1)
    problems.push_back(fmt::format(
        "patch = {}: leaves no token of an image of {} pixels: the stem divides its side by patch, "
        "each of the {} further levels by 2",
        o.patch, shape.size, levels - 1));
  if (o.keep_stitches)
    problems.emplace_back("keep_stitches: the full NAC has no place for stitches");
  const auto clusters = nac::block_clusters(n);
  if (const auto text = prior_complaint(n.prior, n.mediator_latents); !text.empty())
    problems.push_back(text);
  else if (nac::block_model_weight(n) > 0 && n.mediator_latents % clusters != 0)
    problems.push_back(fmt::format("{} = {}: must divide mediator_latents = {}",
                                   n.block_clusters > 0 ? "block_clusters" : "prior_clusters",
                                   clusters, n.mediator_latents));
  return problems;
}

namespace nac {
namespace {

bool is_block_model(const NacOptions& o) {
  return o.signature_loss == SignatureLoss::block_model ||
         (o.signature_loss == SignatureLoss::prior && o.prior.prior == Prior::planted_partition);
}

}  // namespace

double hinge_weight(const NacOptions& o) {
  if (is_block_model(o) || o.signature_loss == SignatureLoss::none) return 0;
  return o.signature_weight > 0 ? o.signature_weight : 0.1;
}

std::int64_t block_clusters(const NacOptions& o) {
  return o.block_clusters > 0 ? o.block_clusters : o.prior.prior_clusters;
}

double block_model_weight(const NacOptions& o) {
  if (!is_block_model(o)) return 0;
  return o.signature_weight > 0 ? o.signature_weight : 1.0;
}

}  // namespace nac
}  // namespace m2mkd
